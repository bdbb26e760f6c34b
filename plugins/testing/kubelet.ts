/** Nodes that run nothing and say that they do: bound pods become ready, pods that are to go are gone. */
import { Informer, isConflict, isNotFound, retryOnConflict } from "@k3ts/client";
import { formatTime, isTerminal, type Node, type Pod, resources } from "@k3ts/model/objects";
import type { TestCluster } from "./cluster.ts";

export interface KubeletOptions {
  /** Names; each gets a Node object. @default ["node-1"] */
  nodes?: readonly string[];
  /** @default 8 CPUs, 16Gi of memory, 110 pods */
  allocatable?: Record<string, string>;
  /** What becomes of a pod; asked again when the pod or {@link FakeKubelet.refresh} says so. @default all are ready */
  fate?: (pod: Pod) => "ready" | "running" | "pending" | "failed" | "succeeded";
}

export interface FakeKubelet extends AsyncDisposable {
  /** Looks at every pod again, as the test has changed what `fate` answers. */
  refresh(): void;
}

/** Each node acts with the rights of a node. */
export async function fakeKubelet(cluster: TestCluster, options: KubeletOptions = {}): Promise<FakeKubelet> {
  const { nodes = ["node-1"], fate = () => "ready", allocatable = { cpu: "8", memory: "16Gi", pods: "110" } } = options;
  const ending = new AbortController();
  const signal = AbortSignal.any([cluster.signal, ending.signal]);
  await Promise.all(nodes.map((name) => registerNode(cluster, name, allocatable)));
  const informer = new Informer(cluster.as("system:kube-controller-manager").of<Pod>(resources.pods), {
    onError: () => {}, // the test is told by what does not come to be
  });
  const busy = new Map<string, Promise<void>>();
  let addresses = 0;

  function look(pod: Pod): void {
    const node = pod.spec.nodeName;
    if (node === undefined || !nodes.includes(node)) return;
    const { uid } = pod.metadata;
    const before = busy.get(uid) ?? Promise.resolve();
    const next: Promise<void> = before
      .then(() => tend(pod.metadata.namespace!, pod.metadata.name, node))
      .catch(() => {}) // as above
      .finally(() => busy.get(uid) === next && busy.delete(uid));
    busy.set(uid, next);
  }

  async function tend(namespace: string, name: string, node: string): Promise<void> {
    const pods = cluster.as(`system:node:${node}`, ["system:nodes"]).of<Pod>(resources.pods);
    try {
      await retryOnConflict(async () => {
        const pod = await pods.get(name, { namespace, signal });
        if (pod.metadata.deletionTimestamp !== undefined) {
          // What only waits for others (finalizers) is no longer ours.
          if ((pod.metadata.deletionGracePeriodSeconds ?? 0) === 0 && pod.metadata.finalizers?.length) return;
          await pods.delete(name, { namespace, gracePeriodSeconds: 0, signal });
          return;
        }
        const status = statusOf(pod, fate(pod), formatTime(cluster.clock.wall()), () => `10.42.0.${++addresses}`);
        if (status !== undefined) await pods.updateStatus({ ...pod, status }, { signal });
      }, { signal, triesMax: 20 });
    } catch (error) {
      if (!signal.aborted && !isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  informer.onChange((type, pod) => type !== "deleted" && look(pod));
  const running = informer.start(signal);
  await informer.synced;
  return {
    refresh: () => informer.list().forEach(look),
    async [Symbol.asyncDispose]() {
      ending.abort(new Error("the kubelet is stopped"));
      await running;
      await Promise.all(busy.values());
    },
  };
}

async function registerNode(cluster: TestCluster, name: string, allocatable: Record<string, string>): Promise<void> {
  const nodes = cluster.as(`system:node:${name}`, ["system:nodes"]).of<Node>(resources.nodes);
  const node = await nodes.create({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    spec: {},
  });
  const time = formatTime(cluster.clock.wall());
  await nodes.updateStatus({
    ...node,
    status: {
      capacity: allocatable,
      allocatable,
      conditions: [{ type: "Ready", status: "True", lastHeartbeatTime: time, lastTransitionTime: time }],
    },
  });
}

/** @returns undefined where nothing changes */
function statusOf(
  pod: Pod,
  fate: ReturnType<NonNullable<KubeletOptions["fate"]>>,
  time: string,
  address: () => string,
): Pod["status"] | undefined {
  if (isTerminal(pod)) return undefined;
  const phase = {
    ready: "Running",
    running: "Running",
    pending: "Pending",
    failed: "Failed",
    succeeded: "Succeeded",
  } as const;
  const status = fate === "ready" ? "True" : "False";
  const known = pod.status?.conditions?.find(({ type }) => type === "Ready");
  if (pod.status?.phase === phase[fate] && known?.status === status) return undefined;
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
  const ip = pod.status?.podIP ?? (fate === "pending" ? undefined : address());
  return {
    ...pod.status,
    phase: phase[fate],
    ...(ip !== undefined && { podIP: ip, podIPs: [{ ip }] }),
    conditions: [...others, {
      type: "Ready",
      status,
      lastTransitionTime: known?.status === status ? known.lastTransitionTime : time,
    }],
  };
}
