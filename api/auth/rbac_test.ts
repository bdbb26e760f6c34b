import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import { refusal } from "../testing/refusal.ts";
import { testApiServer } from "../testing/test_api_server.ts";
import { allows, type PolicyRule, type ResourceAction, uncovered } from "./rules.ts";
import { ANONYMOUS, authenticatedUser, serviceAccountUser } from "./user.ts";

const ROLES = "roles.rbac.authorization.k8s.io";
const ROLE_BINDINGS = "rolebindings.rbac.authorization.k8s.io";
const CLUSTER_ROLES = "clusterroles.rbac.authorization.k8s.io";
const CLUSTER_BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io";
const bob = authenticatedUser("bob", []);

Deno.test("nobody may do anything that no role allows", async () => {
  await using server = await testApiServer();
  await rejects(
    server.list({ resource: "secrets", namespace: "default", user: bob }),
    refusal(
      403,
      'secrets is forbidden: User "bob" cannot list resource "secrets" in API group "" in the namespace "default"',
    ),
  );
  await rejects(
    server.get({ resource: "nodes", name: "n", user: ANONYMOUS }),
    refusal(
      403,
      'nodes "n" is forbidden: User "system:anonymous" cannot get resource "nodes" in API group "" at the cluster scope',
    ),
  );
});

Deno.test("a role counts from the moment that it is bound, where it is bound, until it is unbound", async () => {
  await using server = await testApiServer();
  const read = () => server.list({ resource: "configmaps", namespace: "default", user: bob });
  await server.create({ resource: ROLES, namespace: "default" }, {
    metadata: { name: "reader" },
    rules: [{ verbs: ["list"], apiGroups: [""], resources: ["configmaps"] }],
  });
  await rejects(read(), refusal(403));
  await server.create({ resource: ROLE_BINDINGS, namespace: "default" }, binding("Role", "reader", "User", "bob"));
  deepEqual(await read(), []);
  await rejects(server.list({ resource: "configmaps", namespace: "kube-system", user: bob }), refusal(403));
  await rejects(server.list({ resource: "configmaps", user: bob }), refusal(403));
  await server.delete({ resource: ROLE_BINDINGS, namespace: "default", name: "binding" });
  await rejects(read(), refusal(403));
});

Deno.test("a role for named objects allows those alone", async () => {
  await using server = await testApiServer();
  for (const name of ["a", "b"]) {
    await server.create({ resource: "configmaps", namespace: "default" }, { metadata: { name } });
  }
  await server.create({ resource: ROLES, namespace: "default" }, {
    metadata: { name: "one" },
    rules: [{ verbs: ["get"], apiGroups: [""], resources: ["configmaps"], resourceNames: ["a"] }],
  });
  await server.create({ resource: ROLE_BINDINGS, namespace: "default" }, binding("Role", "one", "User", "bob"));
  equal((await server.get({ resource: "configmaps", namespace: "default", name: "a", user: bob })).metadata.name, "a");
  await rejects(server.get({ resource: "configmaps", namespace: "default", name: "b", user: bob }), refusal(403));
});

Deno.test("a namespace is in itself: who is bound to a role there may do to it what the role says of namespaces", async () => {
  await using server = await testApiServer();
  const at = { resource: ROLE_BINDINGS, namespace: "default" };
  await server.create(at, binding("ClusterRole", "view", "User", "bob"));
  equal((await server.get({ resource: "namespaces", name: "default", user: bob })).metadata.name, "default");
  await rejects(server.get({ resource: "namespaces", name: "kube-system", user: bob }), refusal(403));
  await rejects(server.list({ resource: "namespaces", user: bob }), refusal(403));
  await rejects(
    server.delete({ resource: "namespaces", name: "default", user: bob }),
    refusal(
      403,
      'namespaces "default" is forbidden: User "bob" cannot delete resource "namespaces" in API group "" in the ' +
        'namespace "default"',
    ),
  );
});

Deno.test("the roles view, edit and admin are made of the roles labelled for them, own ones included", async () => {
  await using server = await testApiServer();
  await server.create(
    { resource: ROLE_BINDINGS, namespace: "default" },
    binding("ClusterRole", "view", "Group", "readers"),
  );
  const reader = authenticatedUser("ann", ["readers"]);
  deepEqual(await server.list({ resource: "pods", namespace: "default", user: reader }), []);
  await rejects(server.list({ resource: "secrets", namespace: "default", user: reader }), refusal(403));
  await server.create({ resource: CLUSTER_ROLES }, {
    metadata: { name: "more", labels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
    rules: [{ verbs: ["list"], apiGroups: [""], resources: ["secrets"] }],
  });
  deepEqual(await server.list({ resource: "secrets", namespace: "default", user: reader }), []);
});

Deno.test("the controllers of the cluster hold the roles that bear their names", async () => {
  await using server = await testApiServer();
  const controller = serviceAccountUser("kube-system", "replicaset-controller");
  deepEqual(await server.list({ resource: "pods", user: controller }), []);
  await rejects(server.list({ resource: "secrets", user: controller }), refusal(403));
});

Deno.test("nobody gives away by a role what they do not hold", async () => {
  await using server = await testApiServer();
  const editor = authenticatedUser("editor", ["role-editors"]);
  await server.create({ resource: CLUSTER_ROLES }, {
    metadata: { name: "role-editor" },
    rules: [
      { verbs: ["*"], apiGroups: ["rbac.authorization.k8s.io"], resources: ["roles", "rolebindings"] },
      { verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] },
    ].map((rule) => rule.verbs[0] === "*" ? { ...rule, verbs: ["create", "update", "get", "patch"] } : rule),
  });
  await server.create({ resource: CLUSTER_BINDINGS }, binding("ClusterRole", "role-editor", "Group", "role-editors"));
  const target = { resource: ROLES, namespace: "default", user: editor };
  await server.create(target, {
    metadata: { name: "held" },
    rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods"] }],
  });
  await rejects(
    server.create(target, {
      metadata: { name: "more" },
      rules: [{ verbs: ["get"], apiGroups: [""], resources: ["secrets"] }],
    }),
    refusal(403, /attempting to grant RBAC permissions not currently held/),
  );
  const bind = { resource: ROLE_BINDINGS, namespace: "default", user: editor };
  await server.create(bind, binding("Role", "held", "User", "bob"));
  await rejects(
    server.create(bind, { ...binding("ClusterRole", "cluster-admin", "User", "bob"), metadata: { name: "up" } }),
    refusal(403, /not currently held/),
  );
});

Deno.test("an aggregating role is given more to take over by those alone who may do everything", async () => {
  await using server = await testApiServer();
  const editor = authenticatedUser("eve", ["role-editors"]);
  await server.create({ resource: CLUSTER_ROLES }, {
    metadata: { name: "role-editor" },
    rules: [{
      verbs: ["create", "update", "get", "patch"],
      apiGroups: ["rbac.authorization.k8s.io"],
      resources: ["clusterroles"],
    }],
  });
  await server.create({ resource: CLUSTER_BINDINGS }, binding("ClusterRole", "role-editor", "Group", "role-editors"));
  const selecting = (label: string) => ({ clusterRoleSelectors: [{ matchLabels: { [label]: "true" } }] });
  await server.create({ resource: CLUSTER_ROLES }, { metadata: { name: "plain" } });
  await server.create({ resource: CLUSTER_ROLES }, { metadata: { name: "sum" }, aggregationRule: selecting("x") });
  for (const name of ["plain", "sum"]) {
    await rejects(
      server.patch({ resource: CLUSTER_ROLES, name, user: editor }, "merge", {
        aggregationRule: { clusterRoleSelectors: [{}] },
      }),
      refusal(403, /not currently held/),
    );
  }
  // What leaves the rule as it is, or takes it away, gives nothing.
  const sum = { resource: CLUSTER_ROLES, name: "sum", user: editor };
  await server.patch(sum, "merge", { metadata: { labels: { a: "b" } } });
  await server.patch(sum, "merge", { aggregationRule: null });
});

const name = (...values: string[]) => fc.constantFrom(...values);
const lists = (arbitrary: fc.Arbitrary<string>) => fc.array(arbitrary, { minLength: 1, maxLength: 3 });
const arbitraryRule: fc.Arbitrary<PolicyRule> = fc.record({
  verbs: lists(name("get", "list", "*")),
  apiGroups: lists(name("", "apps", "*")),
  resources: lists(name("pods", "pods/log", "*/log", "*", "nodes")),
  resourceNames: fc.option(lists(name("a", "b")), { nil: undefined }),
}, { requiredKeys: ["verbs", "apiGroups", "resources"] }).map(({ resourceNames, ...rule }) =>
  resourceNames === undefined ? rule : { ...rule, resourceNames }
);
const arbitraryAction: fc.Arbitrary<ResourceAction> = fc.record({
  verb: name("get", "list", "watch"),
  group: name("", "apps", "batch"),
  resource: name("pods", "nodes", "jobs"),
  subresource: name("", "log"),
  name: name("a", "b", "c"),
});

Deno.test("rules that are covered by others never allow what those do not", () => {
  fc.assert(fc.property(fc.array(arbitraryRule), fc.array(arbitraryRule), arbitraryAction, (held, wanted, action) => {
    fc.pre(uncovered(held, wanted).length === 0);
    if (wanted.some((rule) => allows(rule, action))) ok(held.some((rule) => allows(rule, action)));
  }));
});

Deno.test("rules always cover themselves", () => {
  fc.assert(fc.property(fc.array(arbitraryRule), (rules) => deepEqual(uncovered(rules, rules), [])));
});

function binding(roleKind: string, role: string, kind: string, subject: string) {
  return {
    metadata: { name: "binding" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: roleKind, name: role },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind, name: subject }],
  };
}
