/**
 * The group metrics.k8s.io/v1beta1, as metrics-server has it: what nodes and pods use, for `kubectl top` and autoscalers.
 * Which nodes and pods there are the API says; what they use, their nodes.
 */
import {
  type ApiServer,
  type ApiValue,
  type ComputedGroup,
  type ComputedSelection,
  list,
  notFound,
  parseObject,
  type ServedResource,
  type StoredObject,
  type User,
} from "@k3ts/api";
import { apiVersionOf, formatTime, type Node, type Pod } from "@k3ts/model";
import type { Usage } from "@k3ts/proto";
import type { UsageTable } from "./usage_table.ts";

const GROUP = "metrics.k8s.io";
const VERSION = "v1beta1";

interface Sampled extends ApiValue {
  metadata: object;
  timestamp: string;
  window: string;
}

interface ResourceList {
  cpu: string;
  memory: string;
}

interface NodeMetrics extends Sampled {
  usage: ResourceList;
}

interface PodMetrics extends Sampled {
  containers: { name: string; usage: ResourceList }[];
}

/** @param server asked as `user`, who may read all nodes and pods */
export function metricsGroup(usage: UsageTable, server: () => ApiServer, user: User, now: () => number): ComputedGroup {
  const stored = (resource: string): ServedResource => server().resources.find("v1", resource)!;
  const read = async (resource: string, selection: Partial<ComputedSelection> & { name?: string }) => {
    const reply = await list({
      user,
      resource: stored(resource),
      namespace: "",
      name: "",
      subresource: "",
      labelSelector: "",
      fieldSelector: "",
      limit: 0,
      continue: "",
      resourceVersion: "",
      resourceVersionMatch: "",
      signal: new AbortController().signal,
      ...selection,
    }, server().verbs);
    return reply.type === "list" ? reply.page.objects : [];
  };
  const one = async (resource: string, name: string, namespace: string): Promise<StoredObject> => {
    const [found] = await read(resource, { namespace, name });
    if (found === undefined) throw notFound({ group: "", resource }, name);
    return found;
  };
  const nodeMetrics = (node: Node): NodeMetrics | undefined => {
    const known = usage.ofNode(node.metadata.name);
    return known && {
      ...head("NodeMetrics", node, now()),
      ...sampled(known.heardAt, [known.usage]),
      usage: resourceList(known.usage),
    };
  };
  const podMetrics = (pod: Pod): PodMetrics | undefined => {
    const known = usage.ofPod(pod.spec?.nodeName ?? "", pod.metadata.uid);
    if (known === undefined || pod.status?.phase !== "Running") return undefined;
    const names = new Set([...pod.spec.initContainers ?? [], ...pod.spec.containers].map(({ name }) => name));
    const containers = known.usage.flatMap(({ name, usage }) => names.has(name) && usage ? [{ name, usage }] : []);
    if (containers.length === 0) return undefined;
    return {
      ...head("PodMetrics", pod, now()),
      ...sampled(known.heardAt, containers.map((container) => container.usage)),
      containers: containers.map(({ name, usage }) => ({ name, usage: resourceList(usage) })),
    };
  };
  return {
    group: GROUP,
    version: VERSION,
    resources: [
      {
        resource: "nodes",
        kind: "NodeMetrics",
        namespaced: false,
        verbs: ["get", "list"],
        async get(name) {
          const found = nodeMetrics(parseObject<Node>(await one("nodes", name, "")));
          if (found === undefined) throw notFound({ group: GROUP, resource: "nodemetrics" }, name);
          return found;
        },
        list: async (selection) =>
          (await read("nodes", selection)).flatMap((node) => nodeMetrics(parseObject<Node>(node)) ?? []),
      },
      {
        resource: "pods",
        kind: "PodMetrics",
        namespaced: true,
        verbs: ["get", "list"],
        async get(name, namespace) {
          const found = podMetrics(parseObject<Pod>(await one("pods", name, namespace)));
          if (found === undefined) throw notFound({ group: GROUP, resource: "podmetrics" }, `${namespace}/${name}`);
          return found;
        },
        list: async (selection) =>
          (await read("pods", selection)).flatMap((pod) => podMetrics(parseObject<Pod>(pod)) ?? []),
      },
    ],
  };
}

function head(kind: string, { metadata: { name, namespace, labels } }: Node | Pod, now: number) {
  return {
    kind,
    apiVersion: apiVersionOf(GROUP, VERSION),
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      ...(labels !== undefined && { labels }),
      creationTimestamp: formatTime(now),
    },
  };
}

/** meta/v1 Time and Duration (as Go reads it): when it was measured, and for how long at least. */
function sampled(heardAt: number, usages: readonly Usage[]): { timestamp: string; window: string } {
  const windowMs = Math.min(...usages.map((usage) => usage.windowMs));
  return { timestamp: formatTime(heardAt), window: `${windowMs / 1000}s` };
}

/** core/v1 ResourceList. */
function resourceList({ cpuNanocores, memoryBytes }: Usage): ResourceList {
  return {
    cpu: cpuNanocores === 0n ? "0" : `${cpuNanocores}n`,
    memory: memoryBytes % 1024n === 0n && memoryBytes > 0n ? `${memoryBytes / 1024n}Ki` : `${memoryBytes}`,
  };
}
