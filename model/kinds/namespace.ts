import { qualifiedNameProblems } from "../names.ts";
import { ageOf } from "../time.ts";
import type { Namespace } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, dnsLabel, NAME_COLUMN } from "./define.ts";
import { type FieldError, invalid } from "./field_error.ts";
import { validateBareFinalizer } from "./metadata.ts";

/** Holds a namespace back until what it contains is gone. */
const KUBERNETES = "kubernetes";
const NAME_LABEL = "kubernetes.io/metadata.name";

export const namespace = defineKind<Namespace>({
  resource: "namespaces",
  type: "v1.Namespace",
  namespaced: false,
  nameProblems: dnsLabel,
  hasStatus: true,
  defaults(object) {
    object.spec ??= {};
    object.status ??= {};
    if (object.metadata.name) {
      object.metadata.labels = { ...object.metadata.labels, [NAME_LABEL]: object.metadata.name };
    }
    object.status.phase ||= "Active";
  },
  prepareForCreate(object) {
    object.status = { phase: "Active" };
    const finalizers = object.spec?.finalizers ?? [];
    object.spec = { finalizers: finalizers.includes(KUBERNETES) ? finalizers : [...finalizers, KUBERNETES] };
  },
  prepareForUpdate(next, old, subresource) {
    // Only /finalize lets go of them.
    if (subresource === "") next.spec = { ...next.spec, finalizers: old.spec?.finalizers ?? [] };
    if (subresource === "finalize" && old.status !== undefined) next.status = old.status;
  },
  validate(object) {
    return (object.spec?.finalizers ?? []).flatMap((finalizer) => validateFinalizer(finalizer));
  },
  validateStatus(next) {
    const phase = next.status?.phase ?? "";
    const expected = next.metadata.deletionTimestamp === undefined ? "Active" : "Terminating";
    if (phase === expected) return [];
    const state = expected === "Active" ? "empty" : "not empty";
    return [invalid("status.Phase", phase, `may only be '${expected}' if \`deletionTimestamp\` is ${state}`)];
  },
  columns: [NAME_COLUMN, column("Status", "Whether it is in use or on its way out."), AGE_COLUMN],
  row: ({ metadata, status }, now) => [metadata.name, status?.phase ?? "", ageOf(metadata.creationTimestamp, now)],
  selectableFields: ({ metadata, status }) => ({ name: metadata.name ?? "", "status.phase": status?.phase ?? "" }),
  resetFields: { "": { "f:status": {} }, status: { "f:spec": {} }, finalize: { "f:status": {} } },
});

function validateFinalizer(finalizer: string): FieldError[] {
  const path = "spec.finalizers";
  const errors = qualifiedNameProblems(finalizer).map((problem) => invalid(path, finalizer, problem));
  return [...errors, ...validateBareFinalizer(finalizer, path)];
}
