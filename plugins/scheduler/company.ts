/** With which pods a pod wants to be, and with which not (docs: "Inter-pod affinity and anti-affinity"). Pure. */
import { matches, type Namespace, type Node, type Pod, type PodAffinityTerm } from "@k3ts/model/objects";
import { labelOf, type Wish } from "./spread.ts";

/** Pods that must be near one that is there already draw it a little, too. */
const REQUIRED_WEIGHT = 1;

const REASONS = {
  affinity: "node(s) didn't match pod affinity rules",
  antiAffinity: "node(s) didn't match pod anti-affinity rules",
  others: "node(s) didn't satisfy existing pods anti-affinity rules",
};

/** A topology's value that counts for or against every node that has it. */
class Places {
  #weights = new Map<string, Map<string, number>>();

  add(key: string, node: Node | undefined, weight: number): void {
    const value = node && labelOf(node, key);
    if (value === undefined) return;
    const values = this.#weights.get(key) ?? new Map<string, number>();
    this.#weights.set(key, values.set(value, (values.get(value) ?? 0) + weight));
  }

  get isEmpty(): boolean {
    return this.#weights.size === 0;
  }

  at(key: string, node: Node): number {
    const value = labelOf(node, key);
    return value === undefined ? 0 : this.#weights.get(key)?.get(value) ?? 0;
  }

  sumAt(node: Node): number {
    return [...this.#weights.keys()].reduce((sum, key) => sum + this.at(key, node), 0);
  }
}

export function company(
  pod: Pod,
  nodes: readonly Node[],
  bound: readonly Pod[],
  namespaces: readonly Namespace[],
): Wish {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
  const nodeOf = ({ spec }: Pod) => byName.get(spec.nodeName ?? "");
  const means = (term: PodAffinityTerm, owner: Pod, other: Pod) => isMeant(term, owner, other, namespaces);
  const near = requiredTerms(pod, "podAffinity");
  const far = requiredTerms(pod, "podAntiAffinity");
  const wanted = new Places();
  const unwanted = new Places();
  const shunned = new Places();
  const liked = new Places();
  for (const other of bound) {
    const node = nodeOf(other);
    if (near.length > 0 && near.every((term) => means(term, pod, other))) {
      for (const { topologyKey } of near) wanted.add(topologyKey, node, 1);
    }
    for (const term of far) if (means(term, pod, other)) unwanted.add(term.topologyKey, node, 1);
    for (const term of requiredTerms(other, "podAntiAffinity")) {
      if (means(term, other, pod)) shunned.add(term.topologyKey, node, 1);
    }
    for (const term of requiredTerms(other, "podAffinity")) {
      if (means(term, other, pod)) liked.add(term.topologyKey, node, REQUIRED_WEIGHT);
    }
    for (const [owner, target] of [[pod, other], [other, pod]] as const) {
      for (const { term, weight } of preferredTerms(owner)) {
        if (means(term, owner, target)) liked.add(term.topologyKey, node, weight);
      }
    }
  }
  // The first of a group that wants to be together has nobody to be with.
  const isFirst = wanted.isEmpty && near.every((term) => means(term, pod, pod));
  return {
    refuse(node) {
      const hasKeys = near.every(({ topologyKey }) => labelOf(node, topologyKey) !== undefined);
      const isNear = near.every(({ topologyKey }) => wanted.at(topologyKey, node) > 0);
      if (near.length > 0 && !(hasKeys && (isNear || isFirst))) return REASONS.affinity;
      if (far.some(({ topologyKey }) => unwanted.at(topologyKey, node) > 0)) return REASONS.antiAffinity;
      return shunned.sumAt(node) > 0 ? REASONS.others : undefined;
    },
    score: (node) => liked.sumAt(node),
  };
}

function requiredTerms({ spec }: Pod, kind: "podAffinity" | "podAntiAffinity"): readonly PodAffinityTerm[] {
  return spec.affinity?.[kind]?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
}

function preferredTerms({ spec }: Pod): { term: PodAffinityTerm; weight: number }[] {
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {};
  const weighted = (terms: typeof podAffinity, sign: 1 | -1) =>
    (terms?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ weight, podAffinityTerm }) => ({
      term: podAffinityTerm,
      weight: sign * weight,
    }));
  return [...weighted(podAffinity, 1), ...weighted(podAntiAffinity, -1)];
}

/** Whether the term of `owner` is about `other`. */
function isMeant(term: PodAffinityTerm, owner: Pod, other: Pod, namespaces: readonly Namespace[]): boolean {
  const { labelSelector, namespaces: names = [], namespaceSelector } = term;
  if (labelSelector === undefined || !matches(labelSelector, other.metadata.labels)) return false;
  const { namespace = "" } = other.metadata;
  if (names.length === 0 && namespaceSelector === undefined) return namespace === owner.metadata.namespace;
  if (names.includes(namespace)) return true;
  if (namespaceSelector === undefined) return false;
  const found = namespaces.find(({ metadata }) => metadata.name === namespace);
  return matches(namespaceSelector, found?.metadata.labels);
}
