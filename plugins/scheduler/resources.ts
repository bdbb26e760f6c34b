/** What pods ask of nodes, in comparable numbers (core/v1 ResourceRequirements; KEP-753 for restartable init containers). */
import {
  type Container,
  type Node,
  parseQuantity,
  type Pod,
  quantityMilliValue,
  quantityValue,
} from "@k3ts/model/objects";

/** By resource name: cpu in thousandths, everything else in its own unit. */
export type Amounts = Record<string, number>;

export function amountOf(resource: string, quantity: string | number): number {
  const parsed = parseQuantity(quantity);
  return resource === "cpu" ? quantityMilliValue(parsed) : quantityValue(parsed);
}

/** Every pod is counted again for every pod that is placed, and an object that was read never changes. */
const known = new WeakMap<Pod, Amounts>();

/** What a pod may use at any moment of its life. */
export function requestsOf(pod: Pod): Amounts {
  const found = known.get(pod) ?? computeRequests(pod);
  known.set(pod, found);
  return found;
}

function computeRequests(pod: Pod): Amounts {
  const { containers = [], initContainers = [], overhead } = pod.spec ?? {};
  const running = sum(containers.map(requests));
  // Init containers run one after the other, beside the sidecars that were started before them.
  let sidecars: Amounts = {};
  let highest: Amounts = {};
  for (const container of initContainers) {
    const own = requests(container);
    if (container.restartPolicy === "Always") sidecars = sum([sidecars, own]);
    highest = most(highest, container.restartPolicy === "Always" ? sidecars : sum([sidecars, own]));
  }
  const total = most(sum([running, sidecars]), highest);
  return overhead === undefined ? total : sum([total, amounts(overhead)]);
}

export function allocatableOf(node: Node): Amounts {
  return amounts(node.status?.allocatable ?? node.status?.capacity ?? {});
}

function requests({ resources }: Container): Amounts {
  return amounts(resources?.requests ?? {});
}

function amounts(quantities: Record<string, string | number>): Amounts {
  return Object.fromEntries(Object.entries(quantities).map(([name, quantity]) => [name, amountOf(name, quantity)]));
}

export function sum(all: readonly Amounts[]): Amounts {
  const total: Amounts = {};
  for (const one of all) for (const [name, amount] of Object.entries(one)) total[name] = (total[name] ?? 0) + amount;
  return total;
}

function most(a: Amounts, b: Amounts): Amounts {
  const result = { ...a };
  for (const [name, amount] of Object.entries(b)) result[name] = Math.max(result[name] ?? 0, amount);
  return result;
}
