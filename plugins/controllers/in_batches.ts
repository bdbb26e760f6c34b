/** Doing the same with many, some at a time. */

/** So many at the same time, so that they share a commit of the store. */
const PARALLEL_MAX = 16;

/** One that fails does not keep the others from being done. @throws the first failure, when all have been tried */
export async function inBatches<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const failures: unknown[] = [];
  for (let at = 0; at < items.length; at += PARALLEL_MAX) {
    const results = await Promise.allSettled(items.slice(at, at + PARALLEL_MAX).map(work));
    for (const result of results) if (result.status === "rejected") failures.push(result.reason);
  }
  if (failures.length > 0) throw failures[0];
}
