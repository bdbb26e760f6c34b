/** How evenly a pod's kind is to be spread over nodes, zones… (docs: "Pod Topology Spread Constraints"; KEP-895). Pure. */
import { matches, type Node, type Pod, type TopologySpreadConstraint } from "@k3ts/model/objects";
import { matchesNode, untolerated } from "./node_affinity.ts";

/** What the pod asks of the pods that are there already, worked out once for all nodes. */
export interface Wish {
  /** @returns what stands against the node */
  refuse(node: Node): string | undefined;
  /** Higher is better, in any measure. */
  score(node: Node): number;
}

const UNEVEN = "node(s) didn't match pod topology spread constraints";

interface Counted {
  constraint: TopologySpreadConstraint;
  /** Pods of the kind, by the value of the topology's label. */
  pods: ReadonlyMap<string, number>;
  isOne: boolean;
}

export function spreading(pod: Pod, nodes: readonly Node[], onNode: ReadonlyMap<string, readonly Pod[]>): Wish {
  const constraints = pod.spec.topologySpreadConstraints ?? [];
  const count = (wanted: TopologySpreadConstraint["whenUnsatisfiable"]) => {
    const own = constraints.filter(({ whenUnsatisfiable }) => whenUnsatisfiable === wanted);
    const eligible = nodes.filter((node) => own.every(({ topologyKey }) => labelOf(node, topologyKey) !== undefined));
    return own.map((constraint) => counted(constraint, pod, eligible, onNode));
  };
  const required = count("DoNotSchedule");
  const preferred = count("ScheduleAnyway");
  return {
    refuse: (node) => {
      for (const { constraint, pods, isOne } of required) {
        const value = labelOf(node, constraint.topologyKey);
        if (value === undefined) return `${UNEVEN} (missing required label)`;
        const isFew = pods.size < (constraint.minDomains ?? 1);
        const least = isFew ? 0 : Math.min(...pods.values());
        if ((pods.get(value) ?? 0) + Number(isOne) - least > constraint.maxSkew) return UNEVEN;
      }
      return undefined;
    },
    score: (node) =>
      preferred.reduce((sum, { constraint, pods }) => {
        const value = labelOf(node, constraint.topologyKey);
        // Where there are more places to spread over, each weighs more.
        return sum -
          (value === undefined ? Math.max(0, ...pods.values()) : pods.get(value) ?? 0) * Math.log(pods.size + 2);
      }, 0),
  };
}

function counted(
  constraint: TopologySpreadConstraint,
  pod: Pod,
  eligible: readonly Node[],
  onNode: ReadonlyMap<string, readonly Pod[]>,
): Counted {
  const isOfKind = kindOf(constraint, pod);
  const pods = new Map<string, number>();
  for (const node of eligible) {
    if ((constraint.nodeAffinityPolicy ?? "Honor") === "Honor" && !matchesNode(pod.spec, node)) continue;
    if (constraint.nodeTaintsPolicy === "Honor" && untolerated(pod.spec, node) !== undefined) continue;
    const value = labelOf(node, constraint.topologyKey)!;
    const own = (onNode.get(node.metadata.name) ?? []).filter(isOfKind).length;
    pods.set(value, (pods.get(value) ?? 0) + own);
  }
  return { constraint, pods, isOne: isOfKind(pod) };
}

function kindOf({ labelSelector, matchLabelKeys = [] }: TopologySpreadConstraint, pod: Pod): (other: Pod) => boolean {
  const { namespace, labels = {} } = pod.metadata;
  const alike = matchLabelKeys.filter((key) => labels[key] !== undefined);
  return ({ metadata }) =>
    metadata.namespace === namespace && metadata.deletionTimestamp === undefined && labelSelector !== undefined &&
    matches(labelSelector, metadata.labels) && alike.every((key) => metadata.labels?.[key] === labels[key]);
}

export function labelOf({ metadata }: Node, key: string): string | undefined {
  return metadata.labels?.[key];
}
