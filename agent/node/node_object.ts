/** What this node says of itself (core/v1 Node). Pure. */
import { equalJson, formatTime, type Node, type NodeCondition, type NodeStatus } from "@k3ts/model/objects";
import type { Image } from "../images/index.ts";
import type { MachineFacts } from "./facts.ts";
import { type Pressure, RESERVED } from "./pressure.ts";

export interface NodeInput {
  name: string;
  facts: MachineFacts;
  /** Name and version of the container runtime: crun 1.8.1. */
  runtime: { name: string; version: string };
  /** Of k3ts: 0.1.0. */
  version: string;
  /** The Kubernetes version whose behaviour it has: v1.35.4. */
  kubernetesVersion: string;
  images: readonly Image[];
  /** The range of addresses that it had, if it had one: it asks for that again. */
  podCidr?: string;
  /** Why it cannot take pods; undefined when it can. */
  notReady?: string;
  /** What it is short of. */
  pressures?: ReadonlySet<Pressure>;
}

const PODS_MAX = 110;
/** As the kubelet: the largest ones. */
const IMAGES_MAX = 50;

/** To register with: the server keeps what others have written of it. */
export function nodeObject(input: NodeInput, now: number): Pick<Node, "apiVersion" | "kind" | "spec" | "status"> & {
  metadata: Pick<Node["metadata"], "name" | "labels">;
} {
  const architecture = input.facts.info.architecture;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name: input.name,
      labels: {
        "kubernetes.io/hostname": input.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": architecture,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": architecture,
      },
    },
    spec: input.podCidr === undefined ? {} : { podCIDR: input.podCidr },
    status: nodeStatus(input, undefined, now),
  };
}

/** @param before as the server has it: what others have written there stays */
export function nodeStatus(input: NodeInput, before: NodeStatus | undefined, now: number): NodeStatus {
  const { facts } = input;
  const amounts = (memoryBytes: number, diskBytes: number) => ({
    cpu: String(facts.cpuCores),
    memory: `${Math.floor(memoryBytes / 1024)}Ki`,
    "ephemeral-storage": `${Math.floor(diskBytes / 1024)}Ki`,
    pods: String(PODS_MAX),
  });
  const forPods = amounts(
    Math.max(0, facts.memoryBytes - RESERVED.memoryBytes),
    facts.diskBytes * (1 - RESERVED.disk),
  );
  const kubelet = `${input.kubernetesVersion}+k3ts.${input.version}`;
  return {
    ...before,
    capacity: { ...before?.capacity, ...amounts(facts.memoryBytes, facts.diskBytes) },
    allocatable: { ...before?.allocatable, ...forPods },
    addresses: [
      { type: "InternalIP", address: facts.address },
      { type: "Hostname", address: input.name },
    ],
    conditions: conditionsOf(input, before?.conditions ?? [], now),
    nodeInfo: {
      ...facts.info,
      containerRuntimeVersion: `${input.runtime.name}://${input.runtime.version}`,
      kubeletVersion: kubelet,
      kubeProxyVersion: kubelet,
    },
    images: imagesOf(input.images),
  };
}

/** None is written as the server writes it, so that the two are equal. */
function imagesOf(images: readonly Image[]): NodeStatus["images"] {
  if (images.length === 0) return undefined;
  return [...images].sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, IMAGES_MAX)
    .map(({ digests, names, sizeBytes }) => ({ names: [...digests, ...names], sizeBytes }));
}

type Words = readonly [reason: string, message: string];

/** Of each: without it, and with it. */
const PRESSURE_WORDS: Record<Pressure, readonly [Words, Words]> = {
  MemoryPressure: [
    ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
  ],
  DiskPressure: [
    ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ["KubeletHasDiskPressure", "kubelet has disk pressure"],
  ],
  PIDPressure: [
    ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
  ],
};

function conditionsOf(input: NodeInput, before: readonly NodeCondition[], now: number): NodeCondition[] {
  const pressure = (type: Pressure): NodeCondition => {
    const felt = input.pressures?.has(type) === true;
    const [reason, message] = PRESSURE_WORDS[type][felt ? 1 : 0];
    return { type, status: felt ? "True" : "False", reason, message };
  };
  const ours: NodeCondition[] = [
    pressure("MemoryPressure"),
    pressure("DiskPressure"),
    pressure("PIDPressure"),
    input.notReady === undefined
      ? { type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" }
      : { type: "Ready", status: "False", reason: "KubeletNotReady", message: input.notReady },
  ];
  const others = before.filter((one) => !ours.some((each) => each.type === one.type));
  return [
    ...others,
    ...ours.map((one) => {
      const old = before.find((each) => each.type === one.type);
      const since = old?.status === one.status ? old.lastTransitionTime : undefined;
      return { ...one, lastHeartbeatTime: formatTime(now), lastTransitionTime: since ?? formatTime(now) };
    }),
  ];
}

/** Whether two statuses differ in more than the time of their writing. */
export function isNewsworthy(before: NodeStatus | undefined, after: NodeStatus): boolean {
  const plain = (status: NodeStatus | undefined) => ({
    ...status,
    conditions: (status?.conditions ?? []).map(({ lastHeartbeatTime: _, ...rest }) => rest)
      .sort((a, b) => (a.type < b.type ? -1 : 1)),
  });
  return !equalJson(plain(before), plain(after));
}
