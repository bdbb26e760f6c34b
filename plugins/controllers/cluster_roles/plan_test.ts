import { deepEqual, equal } from "node:assert/strict";
import type { ClusterRole, PolicyRule } from "@k3ts/model/objects";
import fc from "fast-check";
import { aggregate, takesOver } from "./plan.ts";

const rule = (resource: string): PolicyRule => ({ verbs: ["get"], apiGroups: [""], resources: [resource] });

function role(name: string, rules: PolicyRule[], more: Partial<ClusterRole> = {}, labels = {}): ClusterRole {
  return { metadata: { name, uid: name, labels }, rules, ...more } as ClusterRole;
}

const view = role("view", [], { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: "view" } }] } });

Deno.test("a role takes over what its selectors pick, and not itself", () => {
  equal(takesOver(view, role("a", [], {}, { to: "view" })), true);
  equal(takesOver(view, role("a", [], {}, { to: "edit" })), false);
  equal(takesOver(view, role("view", [], {}, { to: "view" })), false);
  equal(takesOver(role("plain", []), role("a", [])), false);
});

Deno.test("rules come in the order of the roles' names, each once, and are written only when they change", () => {
  const parts = [role("b", [rule("pods")]), role("a", [rule("nodes"), rule("pods")])];
  deepEqual(aggregate(view, parts), [rule("nodes"), rule("pods")]);
  equal(aggregate({ ...view, rules: [rule("nodes"), rule("pods")] }, parts), undefined);
  deepEqual(aggregate({ ...view, rules: [rule("secrets")] }, []), []);
});

Deno.test("what is written once need not be written again, in whatever order the parts are seen", () => {
  const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d"), { minLength: 1 });
  const resources = fc.array(fc.constantFrom("pods", "nodes", "secrets"));
  fc.assert(fc.property(names, fc.array(resources, { minLength: 4, maxLength: 4 }), (names, rules) => {
    const parts = names.map((name, index) => role(name, rules[index]!.map(rule)));
    const written = aggregate(view, parts) ?? [];
    equal(aggregate({ ...view, rules: written }, parts.toReversed()), undefined);
  }));
});
