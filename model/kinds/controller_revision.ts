import { isJsonObject, type Json } from "../json.ts";
import { controllerOf } from "../meta.ts";
import { parseApiVersion } from "../facts/mod.ts";
import { ageOf } from "../time.ts";
import type { ControllerRevision } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { required } from "./field_error.ts";
import { immutable } from "./metadata.ts";
import { validateNonnegative } from "./values.ts";

export const controllerRevision = defineKind<ControllerRevision>({
  resource: "controllerrevisions.apps",
  type: "apps/v1.ControllerRevision",
  namespaced: true,
  validate({ data, revision }, old) {
    const errors = validateNonnegative(revision, "revision");
    if (old !== undefined) return errors;
    if (data === undefined || data === null) return [...errors, required("data", "data is mandatory")];
    if (!isJsonObject(data as Json)) errors.push(required("data", "data must be a valid JSON object"));
    return errors;
  },
  validateChange: (next, old) => immutable("data", next.data, old.data),
  columns: [
    NAME_COLUMN,
    column("Controller", "Whose state it keeps."),
    column("Revision", "Its place in the history."),
    AGE_COLUMN,
  ],
  row(object, now) {
    const owner = controllerOf(object);
    return [
      object.metadata.name,
      owner === undefined ? "<none>" : `${kindName(owner)}/${owner.name}`,
      object.revision ?? 0,
      ageOf(object.metadata.creationTimestamp, now),
    ];
  },
});

/** `daemonset.apps`. */
function kindName({ apiVersion, kind }: { apiVersion: string; kind: string }): string {
  const { group } = parseApiVersion(apiVersion);
  return group === "" ? kind.toLowerCase() : `${kind.toLowerCase()}.${group}`;
}
