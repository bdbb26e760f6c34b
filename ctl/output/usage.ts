/** What nodes and pods use, as tables. Pure. Shapes: metrics.k8s.io/v1beta1 NodeMetrics and PodMetrics. */
import { parseQuantity, quantityMilliValue, quantityValue } from "@k3ts/model/objects";

export interface Usage {
  cpu?: string;
  memory?: string;
}

export interface NodeMetrics {
  metadata: { name: string };
  usage: Usage;
}

export interface PodMetrics {
  metadata: { name: string; namespace: string };
  containers: { name: string; usage: Usage }[];
}

export type SortBy = "cpu" | "memory" | undefined;

interface Amount {
  /** Thousandths of a core. */
  cpu: number;
  /** Bytes. */
  memory: number;
}

const MEBIBYTE = 1024 * 1024;

/**
 * The largest first where it is sorted, else by name.
 * @param allocatable of the nodes by name; what is not there has no percentage
 */
export function nodeRows(
  metrics: readonly NodeMetrics[],
  allocatable: ReadonlyMap<string, Usage>,
  sortBy: SortBy,
): string[][] {
  const rows = metrics.map(({ metadata: { name }, usage }) => ({ key: name, amount: amountOf(usage) }));
  return inOrder(rows, sortBy).map(({ key, amount }) => {
    const whole = allocatable.get(key);
    const all = whole === undefined ? undefined : amountOf(whole);
    return [
      key,
      `${amount.cpu}m`,
      percent(amount.cpu, all?.cpu),
      showMemory(amount),
      percent(amount.memory, all?.memory),
    ];
  });
}

export interface PodRowOptions {
  withNamespace: boolean;
  /** A line a container. */
  containers: boolean;
  /** A last line with all of them together. */
  sum: boolean;
  sortBy: SortBy;
}

export function podRows(metrics: readonly PodMetrics[], options: PodRowOptions): string[][] {
  const rows = metrics.flatMap(({ metadata: { name, namespace }, containers }) => {
    const place = options.withNamespace ? [namespace] : [];
    if (options.containers) {
      return containers.map((one) => ({
        key: `${namespace}/${name}/${one.name}`,
        cells: [...place, name, one.name],
        amount: amountOf(one.usage),
      }));
    }
    const amount = sumOf(containers.map(({ usage }) => amountOf(usage)));
    return [{ key: `${namespace}/${name}`, cells: [...place, name], amount }];
  });
  const lines = inOrder(rows, options.sortBy).map(({ cells, amount }) => [...cells, ...show(amount)]);
  if (!options.sum) return lines;
  const total = sumOf(rows.map(({ amount }) => amount));
  const empty = (options.withNamespace ? 1 : 0) + (options.containers ? 2 : 1);
  const blank = Array.from({ length: empty }, () => "");
  return [...lines, [...blank, "________", "________"], [...blank, ...show(total)]];
}

function inOrder<R extends { key: string; amount: Amount }>(rows: readonly R[], sortBy: SortBy): R[] {
  return rows.toSorted((a, b) => {
    const difference = sortBy === undefined ? 0 : b.amount[sortBy] - a.amount[sortBy];
    return difference !== 0 ? difference : a.key < b.key ? -1 : 1;
  });
}

function amountOf({ cpu = "0", memory = "0" }: Usage): Amount {
  return { cpu: quantityMilliValue(parseQuantity(cpu)), memory: quantityValue(parseQuantity(memory)) };
}

function sumOf(amounts: readonly Amount[]): Amount {
  return amounts.reduce((sum, { cpu, memory }) => ({ cpu: sum.cpu + cpu, memory: sum.memory + memory }), {
    cpu: 0,
    memory: 0,
  });
}

function show(amount: Amount): string[] {
  return [`${amount.cpu}m`, showMemory(amount)];
}

function showMemory({ memory }: Amount): string {
  return `${Math.floor(memory / MEBIBYTE)}Mi`;
}

function percent(part: number, whole: number | undefined): string {
  return whole === undefined || whole === 0 ? "<unknown>" : `${Math.floor((part * 100) / whole)}%`;
}
