/** Writes that another write came before, between their reading and their writing: made again from what is there now. */
import { StatusError } from "../status.ts";

/** How often one write is made at most. */
const TRIES_MAX = 16;

/** Another write came between reading and writing; the cause is the conflict that a client is told of. */
class Overtaken extends Error {}

/** What the registry answers to a write whose state has been read in the same try. @throws to {@link retryOvertaken} */
export async function orOvertaken<T>(write: Promise<T>): Promise<T> {
  return await write.catch((error) => {
    const conflicted = error instanceof StatusError && error.status.reason === "Conflict";
    throw conflicted ? new Overtaken("", { cause: error }) : error;
  });
}

/**
 * Reads and writes, and again while the write is overtaken.
 * @param retries whether that is nobody's fault, because the client did not say from which state it came
 * @throws {StatusError} Conflict once the tries are used up
 */
export async function retryOvertaken<T>(once: () => Promise<T>, retries: boolean, signal: AbortSignal): Promise<T> {
  for (let tried = 1;; tried++) {
    try {
      return await once();
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
      if (!retries || tried >= TRIES_MAX || signal.aborted) throw error.cause;
    }
  }
}
