/** Sets of indexes as the status of an Indexed Job has them: `1,3-5,7` (batch/v1 JobStatus.completedIndexes). */

export interface Interval {
  first: number;
  last: number;
}

/** In order, and apart. */
export type Indexes = readonly Interval[];

/** Indexes from `completions` on are no longer the Job's; what cannot be read is passed over. */
export function parseIndexes(text: string | undefined, completions: number): Indexes {
  const found: Interval[] = [];
  for (const part of (text ?? "") === "" ? [] : text!.split(",")) {
    const [from, to = from] = part.split("-");
    const first = toInteger(from);
    const last = toInteger(to);
    if (first === undefined || last === undefined) continue;
    if (first >= completions) break;
    found.push({ first, last: Math.min(last, completions - 1) });
  }
  return union(found, []);
}

function toInteger(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

export function indexesOf(numbers: Iterable<number>): Indexes {
  return union([...numbers].sort((a, b) => a - b).map((number) => ({ first: number, last: number })), []);
}

export function union(a: Indexes, b: Indexes): Indexes {
  const joined: Interval[] = [];
  for (const { first, last } of [...a, ...b].sort((x, y) => x.first - y.first)) {
    const before = joined.at(-1);
    if (before === undefined || first > before.last + 1) joined.push({ first, last });
    else before.last = Math.max(before.last, last);
  }
  return joined;
}

export function countOf(indexes: Indexes): number {
  return indexes.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

export function has(indexes: Indexes, index: number): boolean {
  let low = 0;
  let high = indexes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (indexes[middle]!.last >= index) high = middle;
    else low = middle + 1;
  }
  return low < indexes.length && indexes[low]!.first <= index;
}

/** How many indexes are in both. */
export function overlap(a: Indexes, b: Indexes): number {
  let count = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const x = a[i]!;
    const y = b[j]!;
    count += Math.max(0, Math.min(x.last, y.last) - Math.max(x.first, y.first) + 1);
    if (x.last < y.last) i++;
    else j++;
  }
  return count;
}

/** The lowest `count` indexes below `completions` that are not in the set. */
export function firstMissing(indexes: Indexes, count: number, completions: number): number[] {
  const missing: number[] = [];
  let candidate = 0;
  for (const { first, last } of [...indexes, { first: completions, last: completions }]) {
    while (candidate < Math.min(first, completions) && missing.length < count) missing.push(candidate++);
    candidate = Math.max(candidate, last + 1);
  }
  return missing;
}

/** Two neighbours are written as two, three and more as a range. */
export function formatIndexes(indexes: Indexes): string {
  return indexes.map(({ first, last }) =>
    first === last ? `${first}` : last === first + 1 ? `${first},${last}` : `${first}-${last}`
  ).join(",");
}
