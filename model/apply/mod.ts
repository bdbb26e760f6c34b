/**
 * Server-side apply and the record of who manages which field (KEP-555; sigs.k8s.io/structured-merge-diff v6).
 *
 * Every create, update and patch goes through {@link recordManager}; an apply patch goes through {@link applyPatch}.
 */
export { applyPatch, type ApplyRequest } from "./apply_patch.ts";
export { recordManager, type WriteRequest } from "./record_manager.ts";
export { ApplyConflict, ApplyRefused, type FieldConflict } from "./conflict.ts";
export { FieldSet } from "./field_set.ts";
export { fieldsOf } from "./fields_of.ts";
export { fieldSetFromJson, fieldSetToJson } from "./fields_v1.ts";
