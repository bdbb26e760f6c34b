/** Decides on which node a pod runs, or why on none. Pure. */
import type { Node, Pod } from "@k3ts/model/objects";
import { FILTERS, type NodeLoad } from "./filters.ts";
import { hostPortsOf } from "./host_ports.ts";
import { allocatableOf, requestsOf, sum } from "./resources.ts";
import { SCORES } from "./scores.ts";

export type Placement = { node: string } | { reason: string };

/** @param bound every pod that has a node and has not ended */
export function place(pod: Pod, nodes: readonly Node[], bound: readonly Pod[]): Placement {
  const byNode = Map.groupBy(bound, ({ spec }) => spec?.nodeName ?? "");
  const loads = nodes.map((node) => loadOf(node, byNode.get(node.metadata.name) ?? []));
  const refusals = new Map<string, number>();
  const fitting: NodeLoad[] = [];
  for (const load of loads) {
    const reasons = refusal(pod, load);
    if (reasons.length === 0) fitting.push(load);
    for (const reason of reasons) refusals.set(reason, (refusals.get(reason) ?? 0) + 1);
  }
  if (fitting.length === 0) return { reason: explain(nodes.length, refusals) };
  const best = fitting
    .map((load) => ({
      name: load.node.metadata.name,
      score: SCORES.reduce((total, { weight, of }) => total + weight * of(pod, load), 0),
      pods: load.pods,
    }))
    // Among equals the emptier node, then the first by name, so that the same cluster gives the same answer.
    .sort((a, b) => b.score - a.score || a.pods - b.pods || (a.name < b.name ? -1 : 1))[0]!;
  return { node: best.name };
}

/** The first filter that refuses decides, as what comes later would only repeat it. */
function refusal(pod: Pod, load: NodeLoad): string[] {
  for (const filter of FILTERS) {
    const reasons = filter(pod, load);
    if (reasons.length > 0) return reasons;
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
