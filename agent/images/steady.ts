/** Transfers that make no progress end: a few that stand still would take the turns of all others. */

/** As containerd has it (image_pull_progress_timeout). */
const STALL_MS_MAX = 300_000;

/** What a stream brings. @throws when nothing more has come for so long */
export async function* steady(
  stream: ReadableStream<Uint8Array>,
  stallMsMax = STALL_MS_MAX,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { promise: stalled, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(
        () => reject(new Error(`Cannot go on with a transfer as it must make progress: none within ${stallMsMax} ms`)),
        stallMsMax,
      );
      try {
        const { done, value } = await Promise.race([reader.read(), stalled]);
        if (done) return;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
  } finally {
    // At its end that does nothing; of what was left the other side is told.
    reader.cancel().catch(() => {});
  }
}
