/** What roles and bindings share. */
import { dnsSubdomainProblems, pathSegmentProblems } from "../names.ts";
import { ageOf } from "../time.ts";
import type { ApiObject, Cell, Column } from "./kind.ts";
import { AGE_COLUMN, column, NAME_COLUMN } from "./define.ts";
import { type FieldError, invalid, notSupported, required } from "./field_error.ts";

export const RBAC_GROUP = "rbac.authorization.k8s.io";

/** Roles and bindings may be named as URLs' parts may: `system:node` among them. */
export const rbacName = (name: string, _prefix: boolean): string[] => pathSegmentProblems(name, false);

export interface RuleData {
  verbs?: readonly string[];
  apiGroups?: readonly string[];
  resources?: readonly string[];
  resourceNames?: readonly string[];
  nonResourceURLs?: readonly string[];
}

export interface SubjectData {
  kind: string;
  apiGroup?: string;
  name: string;
  namespace?: string;
}

export interface BindingData extends ApiObject {
  subjects?: SubjectData[];
  roleRef: { apiGroup: string; kind: string; name: string };
}

export function validateRules(rules: readonly RuleData[] | undefined, namespaced: boolean): FieldError[] {
  return (rules ?? []).flatMap((rule, index) => validateRule(rule, namespaced, `rules[${index}]`));
}

function validateRule(rule: RuleData, namespaced: boolean, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const has = (list: readonly string[] | undefined) => (list?.length ?? 0) > 0;
  if (!has(rule.verbs)) errors.push(required(`${path}.verbs`, "verbs must contain at least one value"));
  if (has(rule.nonResourceURLs)) {
    const say = (detail: string) => errors.push(invalid(`${path}.nonResourceURLs`, rule.nonResourceURLs, detail));
    if (namespaced) say("namespaced rules cannot apply to non-resource URLs");
    if (has(rule.apiGroups) || has(rule.resources) || has(rule.resourceNames)) {
      say("rules cannot apply to both regular resources and non-resource URLs");
    }
    return errors;
  }
  if (!has(rule.apiGroups)) {
    errors.push(required(`${path}.apiGroups`, "resource rules must supply at least one api group"));
  }
  if (!has(rule.resources)) {
    errors.push(required(`${path}.resources`, "resource rules must supply at least one resource"));
  }
  return errors;
}

export function defaultBinding(binding: BindingData): void {
  binding.roleRef ??= { apiGroup: "", kind: "", name: "" };
  binding.roleRef.apiGroup ||= RBAC_GROUP;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === "User" || subject.kind === "Group") subject.apiGroup ||= RBAC_GROUP;
  }
}

export function validateBinding(binding: BindingData, roleKinds: readonly string[], namespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const { apiGroup, kind, name } = binding.roleRef;
  if (apiGroup !== RBAC_GROUP) errors.push(notSupported("roleRef.apiGroup", apiGroup, [RBAC_GROUP]));
  if (!roleKinds.includes(kind)) errors.push(notSupported("roleRef.kind", kind ?? "", roleKinds));
  if (!name) errors.push(required("roleRef.name"));
  else for (const problem of pathSegmentProblems(name, false)) errors.push(invalid("roleRef.name", name, problem));
  for (const [index, subject] of (binding.subjects ?? []).entries()) {
    errors.push(...validateSubject(subject, namespaced, `subjects[${index}]`));
  }
  return errors;
}

function validateSubject(subject: SubjectData, namespaced: boolean, path: string): FieldError[] {
  const { kind, name, apiGroup = "", namespace } = subject;
  const errors: FieldError[] = name ? [] : [required(`${path}.name`)];
  switch (kind) {
    case "ServiceAccount":
      for (const problem of name ? dnsSubdomainProblems(name) : []) errors.push(invalid(`${path}.name`, name, problem));
      if (apiGroup !== "") errors.push(notSupported(`${path}.apiGroup`, apiGroup, [""]));
      if (!namespaced && !namespace) errors.push(required(`${path}.namespace`));
      break;
    case "User":
    case "Group":
      if (apiGroup !== RBAC_GROUP) errors.push(notSupported(`${path}.apiGroup`, apiGroup, [RBAC_GROUP]));
      break;
    default:
      errors.push(notSupported(`${path}.kind`, kind ?? "", ["ServiceAccount", "User", "Group"]));
  }
  return errors;
}

export function validateBindingChange(next: BindingData, old: BindingData): FieldError[] {
  const same = (["apiGroup", "kind", "name"] as const).every((field) => next.roleRef[field] === old.roleRef[field]);
  return same ? [] : [invalid("roleRef", next.roleRef, "cannot change roleRef")];
}

export const ROLE_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  { ...column("Created At", "When the object was created."), type: "date" },
];

export const roleRow = ({ metadata }: ApiObject): Cell[] => [metadata.name, metadata.creationTimestamp ?? ""];

export const BINDING_COLUMNS: readonly Column[] = [
  NAME_COLUMN,
  column("Role", "The role that is given."),
  AGE_COLUMN,
  column("Users", "Users it is given to.", { wide: true }),
  column("Groups", "Groups it is given to.", { wide: true }),
  column("ServiceAccounts", "Service accounts it is given to.", { wide: true }),
];

export function bindingRow({ metadata, roleRef, subjects = [] }: BindingData, now: number): Cell[] {
  const named = (kind: string) => subjects.filter((subject) => subject.kind === kind);
  return [
    metadata.name,
    `${roleRef.kind}/${roleRef.name}`,
    ageOf(metadata.creationTimestamp, now),
    named("User").map(({ name }) => name).join(", "),
    named("Group").map(({ name }) => name).join(", "),
    named("ServiceAccount").map(({ namespace, name }) => `${namespace ?? ""}/${name}`).join(", "),
  ];
}
