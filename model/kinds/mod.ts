/** The rules of each resource. */
export { causesOf, type FieldError, type FieldErrorType, formatFieldError, formatInvalid } from "./field_error.ts";
export type { ApiObject, Cell, Column, Kind, ObjectMetadata, ScaleRules } from "./kind.ts";
export { kindOf, kindOfFacts, kinds } from "./table.ts";
export { defaultKind } from "./default_kind.ts";
export { SYSTEM_PRIORITIES } from "./priority_class.ts";
export { BindingRefused, bindPod, validateBinding } from "./pod/binding.ts";
