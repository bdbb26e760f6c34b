/** The difference of two texts, line by line, as `diff -u` shows it. Pure. */

/** Lines that are the same around a change. */
const CONTEXT = 3;
/** Texts that differ in more lines are shown as replaced: looking for the shortest way takes their square. */
const CHANGES_MAX = 2_000;

interface Edit {
  type: " " | "-" | "+";
  line: string;
}

export interface DiffNames {
  before: string;
  after: string;
}

/** Empty where they are the same. @param names for the two lines at the top */
export function unifiedDiff(before: string, after: string, names: DiffNames): string {
  if (before === after) return "";
  const hunks = inHunks(compareLines(linesOf(before), linesOf(after)));
  return [`--- ${names.before}`, `+++ ${names.after}`, ...hunks, ""].join("\n");
}

function linesOf(text: string): string[] {
  if (text === "") return [];
  return (text.endsWith("\n") ? text.slice(0, -1) : text).split("\n");
}

/** What lies around the first and the last change is the same and is not compared. */
export function compareLines(before: readonly string[], after: readonly string[]): Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before[before.length - 1 - end] === after[after.length - 1 - end]) end++;
  return [
    ...before.slice(0, start).map(same),
    ...shortestEdits(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...before.slice(before.length - end).map(same),
  ];
}

/** The greedy algorithm of E. W. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986). */
function shortestEdits(before: readonly string[], after: readonly string[]): Edit[] {
  const max = Math.min(before.length + after.length, CHANGES_MAX);
  // For each number of changes: how far into `before` each diagonal has come.
  const rounds: Map<number, number>[] = [];
  let reached = new Map([[1, 0]]);
  for (let changes = 0; changes <= max; changes++) {
    const next = new Map<number, number>();
    for (let diagonal = -changes; diagonal <= changes; diagonal += 2) {
      const isInsertion = goesDown(reached, diagonal, changes);
      let x = isInsertion ? reached.get(diagonal + 1)! : reached.get(diagonal - 1)! + 1;
      let y = x - diagonal;
      while (x < before.length && y < after.length && before[x] === after[y]) [x, y] = [x + 1, y + 1];
      next.set(diagonal, x);
      if (x >= before.length && y >= after.length) return walkBack(before, after, [...rounds, reached], changes);
    }
    rounds.push(reached);
    reached = new Map([...reached, ...next]);
  }
  return [...before.map(removed), ...after.map(added)];
}

function goesDown(reached: Map<number, number>, diagonal: number, changes: number): boolean {
  if (diagonal === -changes) return true;
  return diagonal !== changes && reached.get(diagonal - 1)! < reached.get(diagonal + 1)!;
}

function walkBack(
  before: readonly string[],
  after: readonly string[],
  rounds: readonly Map<number, number>[],
  changes: number,
): Edit[] {
  const edits: Edit[] = [];
  let [x, y] = [before.length, after.length];
  for (let round = changes; round >= 0; round--) {
    const reached = rounds[round]!;
    const diagonal = x - y;
    const isInsertion = goesDown(reached, diagonal, round);
    const fromDiagonal = isInsertion ? diagonal + 1 : diagonal - 1;
    const fromX = round === 0 ? 0 : reached.get(fromDiagonal)!;
    const fromY = round === 0 ? 0 : fromX - fromDiagonal;
    while (x > fromX && y > fromY) [x, y] = [x - 1, y - 1], edits.push(same(before[x]!));
    if (round === 0) break;
    if (isInsertion) edits.push(added(after[--y]!));
    else edits.push(removed(before[--x]!));
  }
  return edits.reverse();
}

const same = (line: string): Edit => ({ type: " ", line });
const removed = (line: string): Edit => ({ type: "-", line });
const added = (line: string): Edit => ({ type: "+", line });

/** Changes with what lies around them; those that are near each other in one hunk. */
function inHunks(edits: readonly Edit[]): string[] {
  const changed = edits.flatMap(({ type }, index) => type === " " ? [] : [index]);
  const lines: string[] = [];
  let [atBefore, atAfter, at] = [0, 0, 0];
  for (let first = 0; first < changed.length;) {
    let last = first;
    while (last + 1 < changed.length && changed[last + 1]! - changed[last]! <= 2 * CONTEXT + 1) last++;
    const from = Math.max(changed[first]! - CONTEXT, 0);
    const to = Math.min(changed[last]! + CONTEXT + 1, edits.length);
    // All that was passed over is the same on both sides, but for hunks that were shown.
    for (; at < from; at++) [atBefore, atAfter] = [atBefore + 1, atAfter + 1];
    const hunk = edits.slice(from, to);
    const ofBefore = hunk.filter(({ type }) => type !== "+").length;
    const ofAfter = hunk.filter(({ type }) => type !== "-").length;
    lines.push(`@@ -${range(atBefore, ofBefore)} +${range(atAfter, ofAfter)} @@`);
    for (const { type, line } of hunk) lines.push(type + line);
    [atBefore, atAfter, at] = [atBefore + ofBefore, atAfter + ofAfter, to];
    first = last + 1;
  }
  return lines;
}

function range(before: number, count: number): string {
  const start = count === 0 ? before : before + 1;
  return count === 1 ? `${start}` : `${start},${count}`;
}
