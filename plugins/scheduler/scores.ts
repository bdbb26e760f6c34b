/** Which of the nodes that fit is the best: each score is 0 to 100, and their weighted sum decides. */
import type { Pod } from "@k3ts/model/objects";
import type { NodeLoad } from "./filters.ts";
import { matchesTerm, tolerates } from "./node_affinity.ts";
import { requestsOf } from "./resources.ts";

export interface Score {
  weight: number;
  of: (pod: Pod, load: NodeLoad) => number;
}

/** Weights as Kubernetes's default profile has them. */
export const SCORES: readonly Score[] = [
  { weight: 1, of: leastAllocated },
  { weight: 1, of: balanced },
  { weight: 3, of: untainted },
  { weight: 2, of: preferredAffinity },
];

const COUNTED = ["cpu", "memory"];
/** A container that asks for nothing uses something all the same. */
const ASSUMED: Record<string, number> = { cpu: 100, memory: 200 * 1024 * 1024 };

function shares(pod: Pod, { allocatable, requested }: NodeLoad): number[] {
  const own = requestsOf(pod);
  return COUNTED.filter((name) => (allocatable[name] ?? 0) > 0).map((name) =>
    Math.min(1, ((requested[name] ?? 0) + (own[name] ?? ASSUMED[name]!)) / allocatable[name]!)
  );
}

function leastAllocated(pod: Pod, load: NodeLoad): number {
  const used = shares(pod, load);
  return used.length === 0 ? 0 : 100 * (1 - used.reduce((sum, share) => sum + share, 0) / used.length);
}

function balanced(pod: Pod, load: NodeLoad): number {
  const used = shares(pod, load);
  return used.length < 2 ? 100 : 100 * (1 - Math.abs(used[0]! - used[1]!) / 2);
}

function untainted(pod: Pod, { node }: NodeLoad): number {
  const disliked = (node.spec?.taints ?? []).filter((taint) =>
    taint.effect === "PreferNoSchedule" && !tolerates(pod.spec.tolerations, taint)
  );
  return 100 / (1 + disliked.length);
}

function preferredAffinity(pod: Pod, { node }: NodeLoad): number {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const total = terms.reduce((sum, { weight }) => sum + weight, 0);
  const matched = terms.reduce((sum, { weight, preference }) => sum + (matchesTerm(preference, node) ? weight : 0), 0);
  return total === 0 ? 0 : 100 * matched / total;
}
