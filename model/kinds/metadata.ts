/** What must hold of any object's metadata (k8s.io/apimachinery `api/validation`, 1.35). */
import { equalJson } from "../json.ts";
import { dnsLabelProblems, qualifiedNameProblems } from "../names.ts";
import { type FieldError, forbidden, invalid, required, tooLong } from "./field_error.ts";
import type { ApiObject, ObjectMetadata, OwnerReferenceData } from "./kind.ts";
import { validateLabels } from "./labels.ts";

const IMMUTABLE = "field is immutable";
const ANNOTATIONS_BYTES_MAX = 256 * 1024;
const STANDARD_FINALIZERS = ["kubernetes", "orphan", "foregroundDeletion"];
const MANAGER_LENGTH_MAX = 128;
const SUBRESOURCE_LENGTH_MAX = 256;

export interface MetadataRules {
  namespaced: boolean;
  nameProblems(name: string, prefix: boolean): string[];
}

export function validateMetadata({ metadata }: ApiObject, rules: MetadataRules): FieldError[] {
  const errors: FieldError[] = [];
  const { generateName, name, namespace } = metadata;
  if (generateName) {
    for (const problem of rules.nameProblems(generateName, true)) {
      errors.push(invalid("metadata.generateName", generateName, problem));
    }
  }
  if (!name) errors.push(required("metadata.name", "name or generateName is required"));
  else for (const problem of rules.nameProblems(name, false)) errors.push(invalid("metadata.name", name, problem));
  if (!rules.namespaced) {
    if (namespace) errors.push(forbidden("metadata.namespace", "not allowed on this type"));
  } else if (!namespace) errors.push(required("metadata.namespace"));
  else {for (const problem of dnsLabelProblems(namespace)) {
      errors.push(invalid("metadata.namespace", namespace, problem));
    }}
  if ((metadata.generation ?? 0) < 0) {
    errors.push(invalid("metadata.generation", metadata.generation, "must be greater than or equal to 0"));
  }
  return [...errors, ...validateCommon(metadata), ...validateFinalizers(metadata.finalizers ?? [])];
}

/** @param next with what the server keeps (uid, times) already restored, as {@link keepServerMetadata} does */
export function validateMetadataUpdate(next: ApiObject, old: ApiObject): FieldError[] {
  const errors: FieldError[] = [];
  const a = next.metadata;
  const b = old.metadata;
  const added = (a.finalizers ?? []).filter((finalizer) => !b.finalizers?.includes(finalizer));
  if (b.deletionTimestamp !== undefined && added.length > 0) {
    const shown = `[]string{${[...added].sort().map((finalizer) => JSON.stringify(finalizer)).join(", ")}}`;
    errors.push(forbidden(
      "metadata.finalizers",
      `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}`,
    ));
  }
  if (!a.resourceVersion) {
    errors.push(invalid("metadata.resourceVersion", a.resourceVersion ?? "", "must be specified for an update"));
  }
  if ((a.generation ?? 0) < (b.generation ?? 0)) {
    errors.push(invalid("metadata.generation", a.generation ?? 0, "must not be decremented"));
  }
  for (
    const field of [
      "name",
      "namespace",
      "uid",
      "creationTimestamp",
      "deletionTimestamp",
      "deletionGracePeriodSeconds",
    ] as const
  ) {
    if ((a[field] ?? "") !== (b[field] ?? "")) errors.push(invalid(`metadata.${field}`, a[field], IMMUTABLE));
  }
  return [...errors, ...validateCommon(a)];
}

/** What an update may leave out or may not choose: it stays as it was. */
export function keepServerMetadata(next: ApiObject, old: ApiObject): void {
  const { metadata } = next;
  if (old.metadata.generation === undefined) delete metadata.generation;
  else metadata.generation = old.metadata.generation;
  if (!metadata.uid && old.metadata.uid !== undefined) metadata.uid = old.metadata.uid;
  for (const field of ["creationTimestamp", "deletionTimestamp"] as const) {
    if (old.metadata[field] !== undefined) metadata[field] = old.metadata[field];
  }
  if (old.metadata.deletionGracePeriodSeconds !== undefined) {
    metadata.deletionGracePeriodSeconds ??= old.metadata.deletionGracePeriodSeconds;
  }
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  const encoder = new TextEncoder();
  for (const [key, value] of Object.entries(annotations ?? {})) {
    for (const problem of qualifiedNameProblems(key.toLowerCase())) errors.push(invalid(path, key, problem));
    bytes += encoder.encode(key).length + encoder.encode(value).length;
  }
  if (bytes > ANNOTATIONS_BYTES_MAX) errors.push(tooLong(path, ANNOTATIONS_BYTES_MAX));
  return errors;
}

/** `field is immutable` where two values differ. */
export function immutable(path: string, next: unknown, old: unknown): FieldError[] {
  return equalJson(next, old) ? [] : [invalid(path, next, IMMUTABLE)];
}

function validateCommon(metadata: ObjectMetadata): FieldError[] {
  return [
    ...validateLabels(metadata.labels, "metadata.labels"),
    ...validateAnnotations(metadata.annotations, "metadata.annotations"),
    ...validateOwners(metadata.ownerReferences ?? []),
    ...validateManagers(metadata),
  ];
}

function validateOwners(owners: readonly OwnerReferenceData[]): FieldError[] {
  const path = "metadata.ownerReferences";
  const errors: FieldError[] = [];
  let controller: string | undefined;
  for (const owner of owners) {
    const version = (owner.apiVersion ?? "").split("/").at(-1);
    if (!version) errors.push(invalid(`${path}.apiVersion`, owner.apiVersion ?? "", "version must not be empty"));
    for (const field of ["kind", "name", "uid"] as const) {
      if (!owner[field]) errors.push(invalid(`${path}.${field}`, "", "must not be empty"));
    }
    if (owner.apiVersion === "v1" && owner.kind === "Event") {
      errors.push(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"));
    }
    if (!owner.controller) continue;
    const name = `${owner.kind ?? ""}/${owner.name ?? ""}`;
    if (controller !== undefined) {
      errors.push(invalid(
        path,
        owners,
        `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
      ));
    } else controller = name;
  }
  return errors;
}

function validateFinalizers(finalizers: readonly string[]): FieldError[] {
  const path = "metadata.finalizers";
  const errors = finalizers.flatMap((finalizer, index) => [
    ...qualifiedNameProblems(finalizer).map((problem) => invalid(path, finalizer, problem)),
    ...validateBareFinalizer(finalizer, `${path}[${index}]`),
  ]);
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    errors.push(invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"));
  }
  return errors;
}

/** Names without a domain are Kubernetes's own. */
export function validateBareFinalizer(finalizer: string, path: string): FieldError[] {
  if (finalizer.includes("/") || STANDARD_FINALIZERS.includes(finalizer)) return [];
  return [invalid(path, finalizer, "name is neither a standard finalizer name nor is it fully qualified")];
}

function validateManagers({ managedFields }: ObjectMetadata): FieldError[] {
  return (managedFields ?? []).flatMap((entry, index) => {
    const path = `metadata.managedFields[${index}]`;
    const errors: FieldError[] = [];
    const { operation = "", fieldsType = "", manager = "", subresource = "" } = entry;
    if (operation !== "Apply" && operation !== "Update") {
      errors.push(invalid(`${path}.operation`, operation, "must be `Apply` or `Update`"));
    }
    if (fieldsType !== "" && fieldsType !== "FieldsV1") {
      errors.push(invalid(`${path}.fieldsType`, fieldsType, "must be `FieldsV1`"));
    }
    if (manager.length > MANAGER_LENGTH_MAX) errors.push(tooLong(`${path}.manager`, MANAGER_LENGTH_MAX));
    if (subresource.length > SUBRESOURCE_LENGTH_MAX) {
      errors.push(tooLong(`${path}.subresource`, SUBRESOURCE_LENGTH_MAX));
    }
    return errors;
  });
}
