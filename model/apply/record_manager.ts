/** The record of who changed which field by an ordinary create, update or patch. */
import { equalJson, isJsonObject, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { compareStates, findConflicts, releaseClaims, withoutNeverOwned } from "./claims.ts";
import { normalForm } from "./normal_form.ts";
import { capUpdaters, type ManagerKey, type Managers, own, readManagersOrNone, writeManagers } from "./managers.ts";

export interface WriteRequest {
  /** The object before the write; undefined for a create. */
  live: JsonObject | undefined;
  /** The object about to be stored. Not changed. */
  next: JsonObject;
  type: TypeView;
  /** The field manager: `fieldManager` of the request, else the user agent up to its first slash. */
  manager: string;
  /** @default "" */
  subresource?: string;
  /** ms since the epoch */
  now: number;
  /** Fields that a write to this (sub)resource never owns, as fieldsV1: a Kind's `resetFields`. */
  resetFields?: JsonObject;
}

/**
 * The value for `next.metadata.managedFields`; undefined where the object is to have none.
 *
 * A client may rewrite the entries (but not by a subresource), or reset them by an empty list. A write that changes
 * nothing leaves them as they are, times included.
 */
export function recordManager(request: WriteRequest): JsonObject[] | undefined {
  const { live, next, type, now, resetFields } = request;
  const given = metadataOf(next)["managedFields"];
  const stored = metadataOf(live)["managedFields"];
  const managers = currentManagers(given, stored, request.subresource ?? "");
  // An object that is not tracked, because somebody reset its entries, stays so until it is applied.
  if (managers.size === 0 && live !== undefined) return undefined;

  claimChanges(
    managers,
    live ?? {},
    next,
    type,
    {
      manager: request.manager || "unknown",
      operation: "Update",
      apiVersion: String(next["apiVersion"] ?? ""),
      subresource: request.subresource ?? "",
    },
    now,
    resetFields,
  );
  capUpdaters(managers);
  const entries = writeManagers(managers);
  return live !== undefined && equalJson(withoutManagedFields(live), withoutManagedFields(next))
    ? keepTimes(entries, stored)
    : entries;
}

/** The stored entries where nothing but times would change: a write that changes nothing is none. */
export function keepTimes(entries: JsonObject[] | undefined, stored: unknown): JsonObject[] | undefined {
  const timeless = (list: unknown) =>
    (Array.isArray(list) ? list as JsonObject[] : []).map(({ time: _, ...entry }) => entry);
  return equalJson(timeless(entries), timeless(stored)) ? stored as JsonObject[] | undefined : entries;
}

/** Gives what changed to the manager of the write, and takes it from everybody else. */
export function claimChanges(
  managers: Managers,
  before: JsonObject,
  after: JsonObject,
  type: TypeView,
  key: ManagerKey,
  now: number,
  resetFields: JsonObject | undefined,
): void {
  const [from, to] = withoutWhatIsSame(withoutManagedFields(before), withoutManagedFields(after));
  const comparison = compareStates(normalForm(from, type), normalForm(to, type), type, resetFields);
  releaseClaims(managers, "", findConflicts(managers, "", comparison), comparison);
  const claimed = withoutNeverOwned(comparison.modified.union(comparison.added));
  if (!claimed.isEmpty) own(managers, key, claimed, now);
}

/** Both without the top-level parts that did not change: most writes are of a status, and comparing is dear. */
function withoutWhatIsSame(before: JsonObject, after: JsonObject): [JsonObject, JsonObject] {
  const from = { ...before };
  const to = { ...after };
  for (const name of Object.keys(after)) {
    if (!Object.hasOwn(before, name) || !equalJson(before[name], after[name])) continue;
    delete from[name];
    delete to[name];
  }
  return [from, to];
}

export function metadataOf(object: JsonObject | undefined): JsonObject {
  const metadata = object?.["metadata"];
  return isJsonObject(metadata) ? metadata : {};
}

export function withoutManagedFields(object: JsonObject): JsonObject {
  if (!isJsonObject(object["metadata"]) || !Object.hasOwn(object["metadata"], "managedFields")) return object;
  const { managedFields: _, ...metadata } = object["metadata"];
  return { ...object, metadata };
}

function currentManagers(given: unknown, stored: unknown, subresource: string): Managers {
  if (subresource !== "") return readManagersOrNone(stored);
  if (Array.isArray(given) && (given.length === 0 || (given.length === 1 && isEmptyEntry(given[0])))) return new Map();
  const managers = readManagersOrNone(given);
  return managers.size > 0 ? managers : readManagersOrNone(stored);
}

function isEmptyEntry(entry: unknown): boolean {
  return isJsonObject(entry) && Object.keys(entry).length === 0;
}
