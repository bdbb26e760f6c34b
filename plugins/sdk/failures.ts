/** What a failed write means for the one who tried it. */
import { ApiError, isAlreadyExists, isConflict, isNotFound } from "@k3ts/client";
import type { Action } from "./plan.ts";
import { type Backoff, SOON } from "./queue.ts";

/** An action of a plan could not be carried out; `cause` says why. */
export class ActionFailed extends Error {
  override name = "ActionFailed";

  constructor(readonly action: Action, override readonly cause: Error) {
    super(cause.message, { cause });
  }
}

/** What the plan was made from is no longer so; the next round sees better. */
export class Outdated extends Error {
  override name = "Outdated";
}

/** The server will say the same until somebody changes something: an object that is invalid, a quota, a missing right. */
const REFUSED: Backoff = { msMin: 1_000, msMax: 300_000 };

function rootOf(error: unknown): unknown {
  return error instanceof ActionFailed ? error.cause : error;
}

/** Somebody else was faster: wrote it, made it, or deleted it. Not worth telling anybody, unless it does not end. */
export function isPassing(error: unknown): boolean {
  const root = rootOf(error);
  return root instanceof Outdated || isConflict(root) || isAlreadyExists(root) ||
    isNotFound(root);
}

/** The server understood and said no. */
export function isRefusal(error: unknown): boolean {
  const root = rootOf(error);
  return root instanceof ApiError && root.code >= 400 && root.code < 500 &&
    ![404, 408, 409, 410, 429].includes(root.code);
}

/** Where it was to be written everything is on its way out: there is nothing left to do. */
export function isNamespaceGoing(error: unknown): boolean {
  const root = rootOf(error);
  if (!(root instanceof ApiError)) return false;
  const isTerminating = root.details.causes?.some(({ reason }) => reason === "NamespaceTerminating") ?? false;
  return isTerminating || (isNotFound(root) && root.details.kind === "namespaces");
}

export function backoffAfter(error: unknown): Backoff {
  return isRefusal(error) ? REFUSED : SOON;
}
