import type { Revision } from "../store/store.ts";
import { badRequest } from "../status.ts";

/**
 * A resource version as a revision.
 * @returns undefined when none is given
 * @throws {StatusError} 400
 */
export function parseRevision(text: string): Revision | undefined {
  if (text === "") return undefined;
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(revision)) return revision;
  throw badRequest(`Invalid value: ${JSON.stringify(text)}: resource version must be a non-negative integer`);
}
