/** What a change of an object means for those who manage its fields. */
import type { JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { compareObjects, type Comparison } from "./compare.ts";
import { FieldSet } from "./field_set.ts";
import { fieldSetFromJson } from "./fields_v1.ts";
import type { Managers } from "./managers.ts";

/** Fields that nobody ever manages: who the object is, and what the server gives it. */
const NEVER_OWNED = FieldSet.of(
  ["f:apiVersion"],
  ["f:kind"],
  ["f:metadata"],
  ...[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
  ].map((name) => ["f:metadata", `f:${name}`]),
);

export function withoutNeverOwned(fields: FieldSet): FieldSet {
  return fields.difference(NEVER_OWNED);
}

/** Without what this (sub)resource resets anyway. */
export function withoutReset(fields: FieldSet, resetFields: JsonObject | undefined): FieldSet {
  return resetFields === undefined ? fields : fields.differenceWithChildren(fieldSetFromJson(resetFields));
}

/** Both in normal form. */
export function compareStates(
  before: JsonObject,
  after: JsonObject,
  type: TypeView,
  resetFields: JsonObject | undefined,
): Comparison {
  const { added, modified, removed } = compareObjects(before, after, type);
  return {
    added: withoutReset(added, resetFields),
    modified: withoutReset(modified, resetFields),
    removed: withoutReset(removed, resetFields),
  };
}

/** Who, other than the manager of this write, holds fields that it changes. */
export function findConflicts(
  managers: Managers,
  self: string,
  { added, modified }: Comparison,
): Map<string, FieldSet> {
  const changed = modified.union(added);
  const conflicts = new Map<string, FieldSet>();
  for (const [id, { fields }] of managers) {
    const common = id === self ? new FieldSet() : fields.intersection(changed);
    if (!common.isEmpty) conflicts.set(id, common);
  }
  return conflicts;
}

/** Takes changed and removed fields from everybody but the manager of this write, and forgets who has none left. */
export function releaseClaims(
  managers: Managers,
  self: string,
  conflicts: ReadonlyMap<string, FieldSet>,
  { removed }: Comparison,
): void {
  for (const [id, manager] of managers) {
    let fields = manager.fields;
    const lost = conflicts.get(id);
    if (lost !== undefined) fields = fields.difference(lost);
    if (id !== self) fields = fields.difference(removed);
    if (fields.isEmpty) managers.delete(id);
    else if (fields !== manager.fields) managers.set(id, { ...manager, fields });
  }
}
