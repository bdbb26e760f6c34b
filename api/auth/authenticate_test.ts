import { deepEqual, equal, rejects } from "node:assert/strict";
import { refusal } from "../testing/refusal.ts";
import { type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import type { Credentials } from "./authenticate.ts";

const admin = { commonName: "admin", organizations: ["system:masters"] };
const as = (user: string, more: Partial<NonNullable<Credentials["impersonate"]>> = {}): Credentials => ({
  certificate: admin,
  impersonate: { user, groups: [], extra: {}, ...more },
});

Deno.test("who proves nothing is anonymous, who fails to prove something is refused", async () => {
  await using server = await testApiServer();
  for (const authorization of [undefined, "", "Basic YTpi", "Bearer", "Bearer "]) {
    const user = await server.authenticate(authorization === undefined ? {} : { authorization });
    deepEqual([user.name, user.groups], ["system:anonymous", ["system:unauthenticated"]]);
  }
  for (const authorization of ["Bearer x", "bearer a.b.c", "Bearer x y"]) {
    await rejects(server.authenticate({ authorization }), refusal(401, "Unauthorized"));
  }
});

Deno.test("who is taken for another has the standing and the groups of that other", async () => {
  await using server = await testApiServer();
  const groups = async (credentials: Credentials) => (await server.authenticate(credentials)).groups;
  deepEqual(await groups(as("ann")), ["system:authenticated"]);
  deepEqual(await groups(as("ann", { groups: ["devs"] })), ["devs", "system:authenticated"]);
  deepEqual(await groups(as("ann", { groups: ["system:unauthenticated"] })), ["system:unauthenticated"]);
  deepEqual(await groups(as("system:anonymous")), ["system:unauthenticated"]);
  const robot = "system:serviceaccount:default:robot";
  deepEqual(await groups(as(robot)), [
    "system:serviceaccounts",
    "system:serviceaccounts:default",
    "system:authenticated",
  ]);
  deepEqual(await groups(as(robot, { groups: ["g"] })), ["g", "system:authenticated"]);
  const whole = await server.authenticate(as("ann", { uid: "7", extra: { scopes: ["a", "b"] } }));
  deepEqual([whole.uid, whole.extra], ["7", { scopes: ["a", "b"] }]);
});

Deno.test("each part of another is asked for by itself", async () => {
  await using server = await testApiServer();
  await grant(server, [
    { verbs: ["impersonate"], apiGroups: [""], resources: ["users"], resourceNames: ["ann"] },
    { verbs: ["impersonate"], apiGroups: [""], resources: ["groups"], resourceNames: ["devs"] },
    {
      verbs: ["impersonate"],
      apiGroups: ["authentication.k8s.io"],
      resources: ["userextras/scopes"],
      resourceNames: ["a"],
    },
  ]);
  const bob = (more: Partial<NonNullable<Credentials["impersonate"]>>, user = "ann") =>
    server.authenticate({ ...as(user, more), certificate: { commonName: "bob", organizations: [] } });
  equal((await bob({ groups: ["devs"], extra: { scopes: ["a"] } })).name, "ann");
  await rejects(
    bob({}, "eve"),
    refusal(403, /User "bob" cannot impersonate resource "users" in API group "" at the cluster scope/),
  );
  await rejects(bob({ groups: ["devs", "system:masters"] }), refusal(403, /groups "system:masters" is forbidden/));
  await rejects(bob({ extra: { scopes: ["a", "b"] } }), refusal(403, /resource "userextras\/scopes"/));
  await rejects(bob({ extra: { other: ["a"] } }), refusal(403, /resource "userextras\/other"/));
  await rejects(bob({ uid: "7" }), refusal(403, /resource "uids" in API group "authentication.k8s.io"/));
  await rejects(
    bob({}, "system:serviceaccount:default:robot"),
    refusal(403, /serviceaccounts "robot" is forbidden.* in the namespace "default"/),
  );
});

async function grant(server: TestApiServer, rules: object[]): Promise<void> {
  const group = "rbac.authorization.k8s.io";
  await server.create({ resource: `clusterroles.${group}` }, { metadata: { name: "act-as" }, rules });
  await server.create({ resource: `clusterrolebindings.${group}` }, {
    metadata: { name: "act-as" },
    roleRef: { apiGroup: group, kind: "ClusterRole", name: "act-as" },
    subjects: [{ apiGroup: group, kind: "User", name: "bob" }],
  });
}
