/** What somebody may have meant who mistyped a word. */

/** More changes than this, or of more than half of its letters, make another word of it. */
const CHANGES_MAX = 2;

/** @returns undefined when nothing is near */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestChanges = Math.min(CHANGES_MAX, Math.floor(word.length / 2)) + 1;
  for (const candidate of candidates) {
    const changes = countChanges(word, candidate);
    if (changes < bestChanges) [best, bestChanges] = [candidate, changes];
  }
  return best;
}

/** Letters to add, drop or replace (Levenshtein's distance), and neighbours to swap. */
function countChanges(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      let changes = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (swapped) changes = Math.min(changes, before[column - 2]! + 1);
      current.push(changes);
    }
    [before, last] = [last, current];
  }
  return last[to.length]!;
}
