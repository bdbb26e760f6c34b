/** How a store that has failed is told of, to those who write. */
import { insufficientStorage, internalError, serviceUnavailable, StatusError } from "../status.ts";
import { Fenced, Full } from "../store/store.ts";

/** What those are told whose writes were under way when the store failed. */
export function refusal(cause: Error): Error {
  if (cause instanceof StatusError) return cause;
  if (cause instanceof Fenced) return takenOver(cause);
  const text = `the store has failed, and whether this write was made is unknown: ${cause.message}`;
  if (cause instanceof Full) return insufficientStorage(`the disk is full: ${text}`, { cause });
  return internalError(text, { cause });
}

/** What those are told who come later: nothing was written. */
export function refusalSince(cause: Error): Error {
  if (cause instanceof Fenced) return takenOver(cause);
  if (cause instanceof Full) {
    return insufficientStorage(`Cannot write as the store must have room on its disk: ${cause.message}`, { cause });
  }
  return serviceUnavailable(`Cannot write as the store has failed and is being opened again: ${cause.message}`, {
    cause,
  });
}

function takenOver(cause: Error): StatusError {
  return serviceUnavailable(`Cannot write as another server has taken over the store: ${cause.message}`, { cause });
}
