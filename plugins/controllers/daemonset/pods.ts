/** The pods of a DaemonSet: one a node, held to it by its name (docs: "DaemonSet"). */
import type { Affinity, DaemonSet, Node, Pod, PodSpec, PodTemplateSpec, Toleration } from "@k3ts/model/objects";
import { matchesNode, untolerated } from "../../scheduler/node_affinity.ts";

/** Of which revision of the template a pod is. */
export const HASH = "controller-revision-hash";
const GENERATION_LABEL = "pod-template-generation";
const GENERATION = "deprecated.daemonset.template.generation";

const NODE = "node.kubernetes.io";
/** Troubles of a node that its daemons sit out. */
const TOLERATED: readonly Toleration[] = [
  { key: `${NODE}/not-ready`, operator: "Exists", effect: "NoExecute" },
  { key: `${NODE}/unreachable`, operator: "Exists", effect: "NoExecute" },
  { key: `${NODE}/disk-pressure`, operator: "Exists", effect: "NoSchedule" },
  { key: `${NODE}/memory-pressure`, operator: "Exists", effect: "NoSchedule" },
  { key: `${NODE}/pid-pressure`, operator: "Exists", effect: "NoSchedule" },
  { key: `${NODE}/unschedulable`, operator: "Exists", effect: "NoSchedule" },
];
const WITHOUT_NETWORK: Toleration = { key: `${NODE}/network-unavailable`, operator: "Exists", effect: "NoSchedule" };

/** Whether a node is to have a pod of it, and whether one that is there may stay. */
export function place({ spec }: DaemonSet, node: Node): { runs: boolean; stays: boolean } {
  const pod = tolerant(spec.template.spec ?? { containers: [] });
  const isNamed = !pod.nodeName || pod.nodeName === node.metadata.name;
  if (!isNamed || !matchesNode(pod, node)) return { runs: false, stays: false };
  if (untolerated(pod, node) === undefined) return { runs: true, stays: true };
  return { runs: false, stays: untolerated(pod, node, ["NoExecute"]) === undefined };
}

function tolerant(spec: PodSpec): PodSpec {
  const wanted = spec.hostNetwork === true ? [...TOLERATED, WITHOUT_NETWORK] : TOLERATED;
  const isWanted = (toleration: Toleration) => wanted.some((each) => isSame(each, toleration));
  const own = (spec.tolerations ?? []).filter((toleration) => !isWanted(toleration));
  return { ...spec, tolerations: [...own, ...wanted] };
}

function isSame(a: Toleration, b: Toleration): boolean {
  return a.key === b.key && a.effect === b.effect && a.operator === b.operator && (a.value ?? "") === (b.value ?? "");
}

/** The template of the pod for a node. The scheduler binds it, and to no other. */
export function templateFor({ metadata, spec }: DaemonSet, node: string, hash: string): PodTemplateSpec {
  const { template } = spec;
  const pod = tolerant(template.spec ?? { containers: [] });
  const generation = metadata.annotations?.[GENERATION];
  return {
    ...template,
    metadata: {
      ...template.metadata,
      labels: {
        ...template.metadata?.labels,
        [HASH]: hash,
        ...(generation !== undefined && { [GENERATION_LABEL]: generation }),
      },
    },
    spec: { ...pod, affinity: affinityFor(pod.affinity, node) },
  };
}

function affinityFor(affinity: Affinity | undefined, node: string): Affinity {
  const byName = { key: "metadata.name", operator: "In", values: [node] } as const;
  return {
    ...affinity,
    nodeAffinity: {
      ...affinity?.nodeAffinity,
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchFields: [{ ...byName, values: [node] }] }],
      },
    },
  };
}

/** The node that a pod runs on, or is made for. */
export function nodeOf({ spec }: Pod): string | undefined {
  if (spec.nodeName) return spec.nodeName;
  const terms = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const fields = terms.flatMap(({ matchFields = [] }) => matchFields);
  const found = fields.find(({ key, operator }) => key === "metadata.name" && operator === "In");
  return found?.values?.length === 1 ? found.values[0] : undefined;
}

/** Whether the pod is of the DaemonSet's template. */
export function isCurrent({ metadata }: Pod, daemonSet: DaemonSet, hash: string): boolean {
  const generation = daemonSet.metadata.annotations?.[GENERATION];
  return metadata.labels?.[HASH] === hash ||
    (generation !== undefined && metadata.labels?.[GENERATION_LABEL] === generation);
}

/** Those that have a node, then the oldest. */
export function compareAge(a: Pod, b: Pod): number {
  const bound = Number(Boolean(b.spec.nodeName)) - Number(Boolean(a.spec.nodeName));
  const age = Date.parse(a.metadata.creationTimestamp ?? "") - Date.parse(b.metadata.creationTimestamp ?? "");
  return bound || age || (a.metadata.name < b.metadata.name ? -1 : 1);
}
