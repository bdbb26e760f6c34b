/** Waiting, for daemons that look at everything from time to time. */
import type { Clock } from "@k3ts/model/objects";

/** Resolves when the time is over, at the signal, or when woken. */
export async function pause(
  clock: Clock,
  ms: number,
  woken: Promise<void> | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (ms <= 0 || signal.aborted) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = clock.after(ms, resolve);
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort, { once: true });
  await Promise.race([promise, ...(woken === undefined ? [] : [woken])]);
  signal.removeEventListener("abort", onAbort);
  stop();
}
