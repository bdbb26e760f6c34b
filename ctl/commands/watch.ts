/** Watches for people: they go on when the server restarts, and when it has forgotten where they were. */
import { backoffMs, delay, isExpired, isUnavailable, type WatchEvent } from "@k3ts/client";

/** Failures in a row, over about half a minute, after which a person should know. */
export const FAILURES_MAX = 20;
export const RETRY_MS_MAX = 2_000;

export interface FollowOptions<T> {
  /** Begins a watch after a revision; without one, with all that is there. */
  open: (revision: string | undefined) => AsyncIterable<WatchEvent<T>>;
  /** Of an event, if it tells. */
  revisionOf: (object: T) => string | undefined;
  /** Where to begin. */
  from: string | undefined;
  /** Which events are. @default all but bookmarks */
  isShown?: (type: WatchEvent<T>["type"]) => boolean;
  /** @default as short as it may be, up to two seconds */
  retryMsMax?: number;
}

/** Every change, without end. @throws when the server refuses, or stays away for long */
export async function* follow<T>(options: FollowOptions<T>): AsyncGenerator<T, void, undefined> {
  let revision = options.from;
  for (let failures = 0;; failures++) {
    try {
      for await (const { type, object } of options.open(revision)) {
        failures = 0;
        revision = options.revisionOf(object) ?? revision;
        if (type !== "BOOKMARK" && (options.isShown?.(type) ?? true)) yield object;
      }
    } catch (error) {
      if (isExpired(error)) revision = undefined;
      else if (!isUnavailable(error) || failures >= FAILURES_MAX) throw error;
    }
    await delay(backoffMs(failures + 1, { maxMs: options.retryMsMax ?? RETRY_MS_MAX }));
  }
}
