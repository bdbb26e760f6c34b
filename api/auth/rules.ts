/** RBAC rules: what each allows, and whether some rules cover others. Pure. Semantics: rbac.authorization.k8s.io/v1. */

import type { FieldRequirement } from "@k3ts/model";

/** rbac/v1 PolicyRule. */
export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** What somebody wants to do to a resource. */
export interface ResourceAction {
  verb: string;
  group: string;
  resource: string;
  subresource?: string;
  /** Absent or empty: across namespaces, or of the cluster. */
  namespace?: string;
  name?: string;
  /** Of a list, a watch or a deletion of many. */
  fieldSelector?: readonly FieldRequirement[];
}

/** What somebody wants to do to a path that is no resource's. */
export interface PathAction {
  verb: string;
  path: string;
}

export type Action = ResourceAction | PathAction;

export function allows(rule: PolicyRule, action: Action): boolean {
  if (!includes(rule.verbs, action.verb)) return false;
  if ("path" in action) return (rule.nonResourceURLs ?? []).some((pattern) => pathMatches(pattern, action.path));
  const { group, resource, subresource = "", name = "" } = action;
  if (!includes(rule.apiGroups, group) || !resourceMatches(rule.resources, resource, subresource)) return false;
  return rule.resourceNames === undefined || rule.resourceNames.length === 0 || rule.resourceNames.includes(name);
}

/** The parts of `wanted` that `held` does not allow: what somebody with `held` may not give away. */
export function uncovered(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(simplest).filter((rule) => !held.some((owner) => covers(owner, rule)));
}

/** As messages show a rule: `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get"]}`. */
export function showRule(rule: PolicyRule): string {
  const parts = [
    ["APIGroups", rule.apiGroups],
    ["Resources", rule.resources],
    ["ResourceNames", rule.resourceNames],
    ["NonResourceURLs", rule.nonResourceURLs],
    ["Verbs", rule.verbs],
  ] as const;
  const shown = parts.filter(([, values]) => values !== undefined && values.length > 0);
  return `{${shown.map(([name, values]) => `${name}:${JSON.stringify(values)}`).join(", ")}}`;
}

/** Rules of one verb and one resource or path each, which together say the same. */
function simplest(rule: PolicyRule): PolicyRule[] {
  const simple: PolicyRule[] = [];
  for (const verb of rule.verbs) {
    for (const path of rule.nonResourceURLs ?? []) simple.push({ verbs: [verb], nonResourceURLs: [path] });
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const one = { verbs: [verb], apiGroups: [group], resources: [resource] };
        if (rule.resourceNames === undefined || rule.resourceNames.length === 0) simple.push(one);
        for (const name of rule.resourceNames ?? []) simple.push({ ...one, resourceNames: [name] });
      }
    }
  }
  return simple;
}

/** @param simple a rule of one verb and one resource or path */
function covers(owner: PolicyRule, simple: PolicyRule): boolean {
  if (!includes(owner.verbs, simple.verbs[0]!)) return false;
  const path = simple.nonResourceURLs?.[0];
  if (path !== undefined) {
    return (owner.nonResourceURLs ?? []).some((pattern) =>
      pattern === path || pathMatches(pattern, path) ||
      (pattern.endsWith("*") && path.endsWith("*") && path.startsWith(pattern.slice(0, -1)))
    );
  }
  if (!includes(owner.apiGroups, simple.apiGroups![0]!)) return false;
  const [resource, subresource = ""] = simple.resources![0]!.split("/", 2) as [string, string?];
  if (!owner.resources?.includes(simple.resources![0]!) && !resourceMatches(owner.resources, resource, subresource)) {
    return false;
  }
  if (owner.resourceNames === undefined || owner.resourceNames.length === 0) return true;
  return simple.resourceNames !== undefined && owner.resourceNames.includes(simple.resourceNames[0]!);
}

function includes(values: readonly string[] | undefined, value: string): boolean {
  return values !== undefined && (values.includes("*") || values.includes(value));
}

function resourceMatches(values: readonly string[] | undefined, resource: string, subresource: string): boolean {
  if (values === undefined) return false;
  if (values.includes("*")) return true;
  if (subresource === "") return values.includes(resource);
  return values.includes(`${resource}/${subresource}`) || values.includes(`*/${subresource}`);
}

function pathMatches(pattern: string, path: string): boolean {
  return pattern === path || (pattern.endsWith("*") && path.startsWith(pattern.slice(0, -1)));
}
