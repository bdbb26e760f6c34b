/** Decides on which node a pod runs, or why on none. Pure. */
import type { Namespace, Node, Pod } from "@k3ts/model/objects";
import { company } from "./company.ts";
import { FILTERS, type NodeLoad } from "./filters.ts";
import { hostPortsOf } from "./host_ports.ts";
import { allocatableOf, requestsOf, sum } from "./resources.ts";
import { SCORES } from "./scores.ts";
import { spreading, type Wish } from "./spread.ts";

export type Placement = { node: string } | { reason: string };

/**
 * @param bound every pod that has a node and has not ended
 * @param namespaces by whose labels pods of other namespaces are told apart
 */
export function place(
  pod: Pod,
  nodes: readonly Node[],
  bound: readonly Pod[],
  namespaces: readonly Namespace[] = [],
): Placement {
  const byNode = Map.groupBy(bound, ({ spec }) => spec?.nodeName ?? "");
  const wishes = [spreading(pod, nodes, byNode), company(pod, nodes, bound, namespaces)];
  const refusals = new Map<string, number>();
  const fitting: NodeLoad[] = [];
  for (const node of nodes) {
    const load = loadOf(node, byNode.get(node.metadata.name) ?? []);
    const reasons = refusal(pod, load, wishes);
    if (reasons.length === 0) fitting.push(load);
    for (const reason of reasons) refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
  }
  if (fitting.length === 0) return { reason: explain(nodes.length, refusals) };
  const wished = wishes.map((wish) => normalized(fitting, wish));
  const best = fitting
    .map((load, index) => ({
      name: load.node.metadata.name,
      score: SCORES.reduce((total, { weight, of }) => total + weight * of(pod, load), 0) +
        WISH_WEIGHT * wished.reduce((total, scores) => total + scores[index]!, 0),
      pods: load.pods,
    }))
    // Among equals the emptier node, then the first by name, so that the same cluster gives the same answer.
    .sort((a, b) => b.score - a.score || a.pods - b.pods || (a.name < b.name ? -1 : 1))[0]!;
  return { node: best.name };
}

/** As Kubernetes's default profile has it. */
const WISH_WEIGHT = 2;

/** From 0, for the worst of the nodes, to 100. */
function normalized(loads: readonly NodeLoad[], wish: Wish): number[] {
  const scores = loads.map(({ node }) => wish.score(node));
  const least = Math.min(...scores);
  const range = Math.max(...scores) - least;
  return scores.map((score) => range === 0 ? 0 : 100 * (score - least) / range);
}

/** The first filter that refuses decides, as what comes later would only repeat it. */
function refusal(pod: Pod, load: NodeLoad, wishes: readonly Wish[]): string[] {
  for (const filter of FILTERS) {
    const reasons = filter(pod, load);
    if (reasons.length > 0) return reasons;
  }
  for (const wish of wishes) {
    const reason = wish.refuse(load.node);
    if (reason !== undefined) return [reason];
  }
  return [];
}

function loadOf(node: Node, pods: readonly Pod[]): NodeLoad {
  return {
    node,
    allocatable: allocatableOf(node),
    requested: sum(pods.map(requestsOf)),
    pods: pods.length,
    hostPorts: pods.flatMap(hostPortsOf),
  };
}

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.` */
function explain(nodes: number, refusals: ReadonlyMap<string, number>): string {
  if (nodes === 0) return "no nodes available to schedule pods";
  const reasons = [...refusals].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${reasons.join(", ")}.`;
}
