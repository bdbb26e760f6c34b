import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import type { ApiObject, Pod } from "@k3ts/model";
import { authenticatedUser } from "../auth/user.ts";
import { refusal } from "../testing/refusal.ts";
import { ADMIN, type CallTarget, type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import { connect } from "./connect.ts";

const pods: CallTarget = { resource: "pods", namespace: "default" };

Deno.test("a pod gets an account, a token volume, tolerations and a priority", async () => {
  await using server = await withAccount();
  const { spec } = await server.create<Pod & ApiObject>(pods, aPod());
  deepEqual([spec.serviceAccountName, spec.priority, spec.preemptionPolicy], ["default", 0, "PreemptLowerPriority"]);
  const volume = spec.volumes?.[0];
  ok(/^kube-api-access-[a-z0-9]{5}$/.test(volume?.name ?? ""));
  deepEqual(spec.containers[0]?.volumeMounts, [{
    name: volume?.name,
    readOnly: true,
    mountPath: "/var/run/secrets/kubernetes.io/serviceaccount",
  }]);
  deepEqual(spec.tolerations?.map(({ key, tolerationSeconds }) => [key, tolerationSeconds]), [
    ["node.kubernetes.io/not-ready", 300],
    ["node.kubernetes.io/unreachable", 300],
  ]);
});

Deno.test("who replaces the tolerations of a pod keeps those that every pod has", async () => {
  await using server = await withAccount();
  const pod = await server.create<Pod & ApiObject>(pods, aPod());
  const own = { key: "own", operator: "Exists" as const };
  const { spec } = await server.update<Pod & ApiObject>({ ...pods, name: "p" }, {
    ...pod,
    spec: { ...pod.spec, tolerations: [own] },
  });
  deepEqual(spec.tolerations?.map(({ key }) => key), [
    "own",
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
  ]);
});

Deno.test("a pod without its account is refused", async () => {
  await using server = await testApiServer();
  await rejects(server.create(pods, aPod()), refusal(403, /serviceaccount "default" not found/));
});

Deno.test("a pod of a priority class has its number, and of none that does not exist", async () => {
  await using server = await withAccount();
  const critical = { ...aPod(), spec: { ...aPod().spec, priorityClassName: "system-node-critical" } };
  equal((await server.create<Pod & ApiObject>(pods, critical)).spec.priority, 2_000_001_000);
  const unknown = { metadata: { name: "q" }, spec: { ...aPod().spec, priorityClassName: "none" } };
  await rejects(server.create(pods, unknown), refusal(403, /no PriorityClass with name none/));
});

Deno.test("what admission adds is nobody's, so an apply of the same manager leaves it", async () => {
  await using server = await withAccount();
  const applied = { apiVersion: "v1", kind: "Pod", ...aPod() };
  const target = { ...pods, name: "p" };
  await server.patch(target, "apply", applied, { fieldManager: "one" });
  const again = await server.patch<Pod & ApiObject>(target, "apply", applied, { fieldManager: "one" });
  equal(again.spec.volumes?.length, 1);
});

Deno.test("a pod is bound once", async () => {
  await using server = await withAccount();
  await server.create(pods, aPod());
  const bind = (node: string) =>
    server.create({ ...pods, name: "p", subresource: "binding" }, {
      metadata: { name: "p" },
      target: { kind: "Node", name: node },
    });
  await bind("n1");
  const { spec, status } = await server.get<Pod & ApiObject>({ ...pods, name: "p" });
  equal(spec.nodeName, "n1");
  equal(status?.conditions?.find(({ type }) => type === "PodScheduled")?.status, "True");
  await rejects(bind("n2"), refusal(409, /is already assigned to node "n1"/));
});

Deno.test("logs and exec are spliced to the node that has the container", async () => {
  await using server = await withAccount();
  await server.create(pods, {
    metadata: { name: "p" },
    spec: { containers: [{ name: "a", image: "i" }, { name: "b", image: "i" }] },
  });
  const ask = (subresource: string, query: string, user = ADMIN) =>
    connect({
      user,
      resource: server.resources.get("pods"),
      namespace: "default",
      name: "p",
      subresource,
      verb: "get",
      query: new URLSearchParams(query),
      signal: new AbortController().signal,
    }, server.verbs);
  await rejects(ask("log", "container=a"), refusal(400, /does not have a host assigned/));
  await server.create({ ...pods, name: "p", subresource: "binding" }, {
    metadata: { name: "p" },
    target: { kind: "Node", name: "n1" },
  });
  deepEqual(await ask("log", "container=a&follow=true"), {
    node: "n1",
    path: "/containerLogs/default/p/a?follow=true",
  });
  deepEqual(await ask("exec", "container=b&command=sh&command=-c"), {
    node: "n1",
    path: "/exec/default/p/b?command=sh&command=-c",
  });
  await rejects(ask("log", ""), refusal(400, /a container name must be specified for pod p, choose one of: \[a b\]/));
  await rejects(ask("log", "container=c"), refusal(400, /container c is not valid for pod p/));
  await rejects(ask("log", "container=a", authenticatedUser("bob", [])), refusal(403));
});

Deno.test("a WebSocket alone does not let somebody run commands who may only look", async () => {
  await using server = await withAccount();
  await server.create(pods, aPod());
  await server.create({ resource: "clusterroles.rbac.authorization.k8s.io" }, {
    metadata: { name: "look" },
    rules: [{ verbs: ["get"], apiGroups: [""], resources: ["pods/exec"] }],
  });
  await server.create({ resource: "clusterrolebindings.rbac.authorization.k8s.io" }, {
    metadata: { name: "look" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "look" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "bob" }],
  });
  const attempt = connect({
    user: authenticatedUser("bob", []),
    resource: server.resources.get("pods"),
    namespace: "default",
    name: "p",
    subresource: "exec",
    verb: "get",
    query: new URLSearchParams(),
    signal: new AbortController().signal,
  }, server.verbs);
  await rejects(attempt, refusal(403, /cannot create resource "pods\/exec"/));
});

Deno.test("a token request for a pod gives a token that ends with the pod", async () => {
  await using server = await withAccount();
  const pod = await server.create(pods, aPod());
  const order = {
    spec: {
      expirationSeconds: 3607,
      boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "p", uid: pod.metadata.uid },
    },
  };
  const answer = await server.create<ApiObject & { status: { token: string; expirationTimestamp: string } }>(
    { resource: "serviceaccounts", namespace: "default", name: "default", subresource: "token" },
    order,
  );
  equal(answer.status.expirationTimestamp, "2026-01-01T01:00:07Z");
  const credentials = { authorization: `Bearer ${answer.status.token}` };
  equal((await server.authenticate(credentials)).name, "system:serviceaccount:default:default");
  await server.delete({ ...pods, name: "p" });
  await rejects(server.authenticate(credentials), refusal(401));
});

Deno.test("an eviction deletes the pod", async () => {
  await using server = await withAccount();
  await server.create(pods, aPod());
  await server.create({ ...pods, name: "p", subresource: "eviction" }, { metadata: { name: "p" } });
  await rejects(server.get({ ...pods, name: "p" }), refusal(404));
});

Deno.test("reviews tell what somebody may do and who somebody is", async () => {
  await using server = await testApiServer();
  const bob = authenticatedUser("bob", ["staff"]);
  type Review = ApiObject & { status: { allowed: boolean; userInfo: { username: string; groups: string[] } } };
  const ask = (user: typeof bob) =>
    server.create<Review>({ resource: "selfsubjectaccessreviews.authorization.k8s.io", user }, {
      spec: { resourceAttributes: { verb: "list", resource: "pods", namespace: "default" } },
    });
  deepEqual([(await ask(bob)).status.allowed, (await ask(ADMIN)).status.allowed], [false, true]);
  const who = await server.create<Review>({ resource: "selfsubjectreviews.authentication.k8s.io", user: bob }, {});
  deepEqual(who.status.userInfo, { username: "bob", groups: ["staff", "system:authenticated"] });
});

async function withAccount(): Promise<TestApiServer> {
  const server = await testApiServer();
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "default" } });
  return server;
}

function aPod() {
  return { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } };
}
