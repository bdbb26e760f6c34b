/** Indexes of an Indexed Job as text, such as `1,3-5` (batch/v1 JobStatus.completedIndexes, SuccessPolicyRule). */

/** What is wrong with such a text, or how many indexes it names. @param completions above all of them */
export function countIndexes(text: string, completions: number): number | { problem: string } {
  let last = -1;
  let total = 0;
  for (const part of text === "" ? [] : text.split(",")) {
    const interval = parseInterval(part, completions);
    if ("problem" in interval) return interval;
    const { first, last: end } = interval;
    if (total > 0 && last >= first) return { problem: nonIncreasing(last, first) };
    total += end - first + 1;
    last = end;
  }
  return total;
}

/** The first index that is in both; what cannot be read is in none. Both texts are in order. */
export function overlapOf(a: string, b: string, completions: number): number | undefined {
  const left = readable(a, completions);
  const right = readable(b, completions);
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    const x = left[i]!;
    const y = right[j]!;
    if (x.first <= y.last && y.first <= x.last) return Math.max(x.first, y.first);
    if (x.first <= y.first) i++;
    else j++;
  }
  return undefined;
}

interface Interval {
  first: number;
  last: number;
}

function readable(text: string, completions: number): Interval[] {
  const parts = text === "" ? [] : text.split(",");
  return parts.map((part) => parseInterval(part, completions)).filter((found) => "first" in found);
}

function parseInterval(text: string, completions: number): Interval | { problem: string } {
  const parts = text.split("-");
  if (parts.length > 2) {
    const rule = "violates the requirement that an index interval can have at most two parts separated by '-'";
    return { problem: `the fragment ${JSON.stringify(text)} ${rule}` };
  }
  for (const part of parts) {
    if (!/^\+?\d+$/.test(part)) {
      return { problem: `cannot convert string to integer for index: ${JSON.stringify(part)}` };
    }
    if (Number(part) >= completions) return { problem: `too large index: ${JSON.stringify(part)}` };
  }
  const [first, last = first] = parts.map(Number) as [number, number?];
  return parts.length === 2 && first >= last ? { problem: nonIncreasing(first, last) } : { first, last };
}

function nonIncreasing(previous: number, current: number): string {
  return `non-increasing order, previous: ${previous}, current: ${current}`;
}
