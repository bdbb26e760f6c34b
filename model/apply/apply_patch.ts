/** Server-side apply: merges what a manager wants into what is there, and keeps the record of who wants what. */
import { cloneJson, equalJson, isJsonObject, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { compareStates, findConflicts, releaseClaims, withoutNeverOwned, withoutReset } from "./claims.ts";
import { ApplyConflict, ApplyRefused, showManager } from "./conflict.ts";
import { FieldSet, showPath } from "./field_set.ts";
import { fieldsOf } from "./fields_of.ts";
import { managerId, type ManagerKey, type Managers, readManagers, writeManagers } from "./managers.ts";
import { normalForm } from "./normal_form.ts";
import { mergeObjects } from "./merge.ts";
import { claimChanges, keepTimes, metadataOf, withoutManagedFields } from "./record_manager.ts";
import { dropNulls, removeFields } from "./remove.ts";
import { formatTime } from "../time.ts";
import { refuseIfNotApplicable } from "./check.ts";
import { fieldsFromLastApplied, LAST_APPLIED, lastAppliedText } from "./last_applied.ts";

export interface ApplyRequest {
  /** The object as it is, or undefined where apply creates it. */
  live: JsonObject | undefined;
  /** What the manager applies; with apiVersion, kind and metadata.name. */
  applied: JsonObject;
  /** Facts of the object's type. */
  type: TypeView;
  /** The field manager; `kubectl` adopts what client-side apply wrote. */
  manager: string;
  /** @default "" */
  subresource?: string;
  /** Takes over fields that others manage instead of refusing. @default false */
  force?: boolean;
  /** ms since the epoch */
  now: number;
  /** Fields that a write to this (sub)resource never owns, as fieldsV1: a Kind's `resetFields`. */
  resetFields?: JsonObject;
  /** Defaulting of the merged object, in place: a Kind's `defaults`. */
  setDefaults?(object: JsonObject): void;
}

/** The manager under which fields stand that an object had before it was ever applied. */
const BEFORE_FIRST_APPLY = "before-first-apply";
/** Its applies and client-side applies are one user's, so that one may follow the other. */
const KUBECTL = "kubectl";

/**
 * The object to store, with its managedFields; equal to `live` where the apply changes nothing.
 * @throws {ApplyConflict} others manage fields that would change, and `force` is not set
 * @throws {ApplyRefused} the applied configuration is not valid for apply
 */
export function applyPatch(request: ApplyRequest): JsonObject {
  const { live, applied, type, now, setDefaults } = request;
  refuseIfNotApplicable(applied, live, type);
  const identity = { apiVersion: applied["apiVersion"]!, kind: applied["kind"]! };
  const before = normalForm(withoutManagedFields({ ...live, ...identity }), type);
  const managers = managersOf(live);
  const key: ManagerKey = {
    manager: request.manager,
    operation: "Apply",
    apiVersion: String(applied["apiVersion"]),
    subresource: request.subresource ?? "",
  };
  if (managers.size === 0 && live !== undefined) {
    const origin: ManagerKey = { ...key, manager: BEFORE_FIRST_APPLY, operation: "Update" };
    claimChanges(managers, {}, before, type, origin, now, request.resetFields);
  }

  const merged = mergeAndClaim(managers, key, before, request);
  const changed = !equalJson(dropNulls(before), merged);
  // What lost all its parts but is always there is there again, empty.
  const result = dropNulls(cloneJson(normalForm(merged, type)));
  const id = managerId(key);
  const entry = managers.get(id);
  if (changed && entry !== undefined) managers.set(id, { ...entry, time: formatTime(now) });
  syncLastApplied(result, applied, request.manager);
  setDefaults?.(result);
  const isSame = live !== undefined && equalJson(withoutManagedFields(live), result);
  const entries = isSame
    ? keepTimes(writeManagers(managers), metadataOf(live)["managedFields"])
    : writeManagers(managers);
  const metadata: JsonObject = { ...metadataOf(result) };
  if (entries !== undefined) metadata["managedFields"] = entries;
  return { ...result, metadata };
}

/** Merges, prunes what is no longer applied, and settles the claims in `managers`. */
function mergeAndClaim(managers: Managers, key: ManagerKey, live: JsonObject, request: ApplyRequest): JsonObject {
  const { applied, type, resetFields, force = false } = request;
  const id = managerId(key);
  const last = managers.get(id);
  const wanted = withoutReset(fieldsOf(applied, type), resetFields);
  const time = last?.time;
  managers.set(id, { ...key, fields: wanted, ...(time !== undefined && { time }) });

  const merged = prune(mergeObjects(live, applied, type), managers, last?.fields, type);
  const comparison = compareStates(live, merged, type, resetFields);
  const conflicts = findConflicts(managers, id, comparison);
  if (!force) refuseConflicts(conflicts, managers, live, request);
  releaseClaims(managers, id, conflicts, comparison);

  const owned = withoutNeverOwned(managers.get(id)?.fields ?? new FieldSet());
  if (owned.isEmpty) managers.delete(id);
  else managers.set(id, { ...managers.get(id)!, fields: owned });
  return dropNulls(merged);
}

/** Takes away what this manager applied last time, applies no longer, and nobody else holds. */
function prune(merged: JsonObject, managers: Managers, last: FieldSet | undefined, type: TypeView): JsonObject {
  if (last === undefined || last.isEmpty) return merged;
  const named = (fields: FieldSet) => fields.withNamedFields(type);
  const lastNamed = named(last);
  const all = named(fieldsOf(merged, type));
  let held = new FieldSet();
  for (const { fields } of managers.values()) held = held.union(fields);

  const without = removeFields(merged, lastNamed, type);
  const kept = named(fieldsOf(without, type)).union(named(held));
  const withHeld = removeFields(merged, all.difference(kept), type);
  const gone = all.difference(named(fieldsOf(withHeld, type)));
  return removeFields(merged, gone.intersection(lastNamed), type);
}

function refuseConflicts(
  conflicts: ReadonlyMap<string, FieldSet>,
  managers: Managers,
  live: JsonObject,
  { manager, applied, type }: ApplyRequest,
): void {
  const allowed = manager === KUBECTL ? fieldsFromLastApplied(live, String(applied["apiVersion"]), type) : undefined;
  const found = [...conflicts].flatMap(([id, fields]) =>
    [...fields.paths()]
      .filter((path) => !(allowed?.has(path) ?? false))
      .map((path) => ({ manager: showManager(managers.get(id)!), field: showPath(path) }))
  );
  if (found.length > 0) throw new ApplyConflict(found);
}

function managersOf(live: JsonObject | undefined): Managers {
  try {
    return readManagers(metadataOf(live)["managedFields"]);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ApplyRefused(`failed to decode managed fields: ${error.message}`, { cause: error });
  }
}

/** A later client-side apply computes from the annotation: it must say what was applied last. */
function syncLastApplied(object: JsonObject, applied: JsonObject, manager: string): void {
  const annotations = metadataOf(object)["annotations"];
  if (manager !== KUBECTL || !isJsonObject(annotations) || !annotations[LAST_APPLIED]) return;
  const text = lastAppliedText(applied);
  if (text === undefined) delete annotations[LAST_APPLIED];
  else annotations[LAST_APPLIED] = text;
}
