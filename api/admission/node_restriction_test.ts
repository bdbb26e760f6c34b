import { deepEqual, equal, rejects } from "node:assert/strict";
import { authenticatedUser } from "../auth/user.ts";
import { refusal } from "../testing/refusal.ts";
import { type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import { forbiddenNodeLabels } from "./node_labels.ts";

const n1 = authenticatedUser("system:node:n1", ["system:nodes"]);
const NAMESPACE = "default";
const denied = (message: RegExp) => refusal(403, message);

Deno.test("a node changes itself only, and neither its taints nor the labels that steer work", async () => {
  await using server = await withNodes();
  const self = { resource: "nodes", name: "n1", user: n1 };
  await server.patch(self, "merge", {
    metadata: { labels: { "example.com/disk": "ssd", "node.kubernetes.io/a": "b" } },
  });
  await server.patch({ ...self, subresource: "status" }, "merge", { status: { capacity: { cpu: "4" } } });
  await rejects(
    server.patch(self, "merge", { metadata: { labels: { "node-role.kubernetes.io/control-plane": "" } } }),
    denied(/is not allowed to modify labels: node-role\.kubernetes\.io\/control-plane$/),
  );
  const restricted = { "node-restriction.kubernetes.io/secure": "yes" };
  await rejects(server.patch(self, "merge", { metadata: { labels: restricted } }), denied(/modify labels/));
  await rejects(
    server.patch({ ...self, subresource: "status" }, "merge", { metadata: { labels: restricted } }),
    denied(/modify labels/),
  );
  await rejects(server.patch(self, "merge", { spec: { taints: [] } }), denied(/modify taints/));
  const owner = { apiVersion: "v1", kind: "Node", name: "n2", uid: "u" };
  await rejects(server.patch(self, "merge", { metadata: { ownerReferences: [owner] } }), denied(/ownerReferences/));
  for (const subresource of ["", "status"]) {
    await rejects(
      server.patch({ ...self, name: "n2", subresource }, "merge", { metadata: { labels: { a: "b" } } }),
      denied(/node "n1" is not allowed to modify node "n2"$/),
    );
  }
  await rejects(
    server.create({ resource: "nodes", user: n1 }, { metadata: { name: "n3" } }),
    denied(/not allowed to modify node "n3"/),
  );
  await rejects(server.delete({ resource: "nodes", name: "n2", user: n1 }), refusal(403));
});

Deno.test("a node that makes itself known may not call itself what it likes", async () => {
  await using server = await testApiServer();
  const made = (labels: object) => server.create({ resource: "nodes", user: n1 }, { metadata: { name: "n1", labels } });
  await rejects(
    made({ "node-role.kubernetes.io/master": "" }),
    denied(/is not allowed to set the following labels: node-role\.kubernetes\.io\/master$/),
  );
  await rejects(
    server.create({ resource: "nodes", user: n1 }, { metadata: { name: "n1" }, spec: { podCIDR: "10.42.7.0/24" } }),
    denied(/not allowed to choose its range of pod addresses$/),
  );
  await made({ "kubernetes.io/hostname": "n1" });
  await rejects(
    server.patch({ resource: "nodes", name: "n1", user: n1 }, "merge", { spec: { podCIDR: "10.42.7.0/24" } }),
    denied(/not allowed to choose its range of pod addresses$/),
  );
});

Deno.test("a node writes the status of its own pods, deletes and evicts those, and no others", async () => {
  await using server = await withNodes();
  const pod = (name: string, subresource = "") => ({
    resource: "pods",
    namespace: NAMESPACE,
    name,
    subresource,
    user: n1,
  });
  await server.patch(pod("mine", "status"), "merge", { status: { message: "runs" } });
  await rejects(
    server.patch(pod("other", "status"), "merge", { status: { message: "x" } }),
    denied(/can only update pod status for pods with spec.nodeName set to itself$/),
  );
  await rejects(
    server.patch(pod("mine", "status"), "merge", { metadata: { labels: { app: "bank" } } }),
    denied(/cannot update labels through pod status$/),
  );
  await rejects(server.delete(pod("other")), denied(/can only delete pods with spec.nodeName set to itself$/));
  const eviction = (name: string) => server.create(pod(name, "eviction"), { metadata: { name, namespace: NAMESPACE } });
  await rejects(eviction("other"), denied(/can only (evict|delete) pods with spec.nodeName set to itself$/));
  await eviction("mine");
  const other = await server.get<Named>({ ...pod("other"), user: authenticatedUser("admin", ["system:masters"]) });
  equal(other.metadata.deletionTimestamp, undefined);
});

Deno.test("a node shows pods of its own making only as its mirror, without anything that they would let it read", async () => {
  await using server = await withNodes();
  const { metadata } = await server.get<Named>({ resource: "nodes", name: "n1" });
  const owner = { apiVersion: "v1", kind: "Node", name: "n1", uid: metadata.uid, controller: true };
  const mirror = {
    metadata: { name: "m", annotations: { "kubernetes.io/config.mirror": "x" }, ownerReferences: [owner] },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] },
  };
  const make = (meta: object, spec: object = {}) =>
    server.create({ resource: "pods", namespace: NAMESPACE, user: n1 }, {
      metadata: { ...mirror.metadata, ...meta },
      spec: { ...mirror.spec, ...spec },
    });
  await rejects(make({ annotations: {} }), denied(/can only create mirror pods/));
  await rejects(make({}, { nodeName: "n2" }), denied(/spec.nodeName set to itself/));
  await rejects(make({ ownerReferences: [] }), denied(/owner reference set to itself/));
  await rejects(make({ ownerReferences: [{ ...owner, name: "n2" }] }), denied(/owner reference set to itself/));
  await rejects(make({ ownerReferences: [{ ...owner, uid: "x" }] }), denied(/UID mismatch/));
  await rejects(make({ ownerReferences: [{ ...owner, controller: false }] }), denied(/controller owner reference/));
  const using = [
    [{ serviceAccountName: "default" }, /serviceaccounts$/],
    [{ volumes: [{ name: "v", secret: { secretName: "s" } }] }, /secrets$/],
    [{ volumes: [{ name: "v", configMap: { name: "s" } }] }, /configmaps$/],
    [{ imagePullSecrets: [{ name: "s" }] }, /secrets$/],
    [{ volumes: [{ name: "v", csi: { driver: "d" } }] }, /csidrivers \(via CSI volumes\)$/],
    [{ containers: [{ name: "c", image: "i", envFrom: [{ secretRef: { name: "s" } }] }] }, /secrets$/],
  ] as const;
  for (const [spec, message] of using) await rejects(make({}, spec), denied(message));
  await make({});
});

Deno.test("a node gets tokens that are bound to its own pods, for whom those pods want them", async () => {
  await using server = await withNodes();
  const uidOf = async (name: string) =>
    (await server.get<Named>({ resource: "pods", namespace: NAMESPACE, name })).metadata.uid;
  const [mine, other] = [await uidOf("mine"), await uidOf("other")];
  const target = { resource: "serviceaccounts", namespace: NAMESPACE, name: "default", subresource: "token", user: n1 };
  const token = (boundObjectRef: object | undefined, audiences: string[] = []) =>
    server.create(target, { spec: { audiences, ...(boundObjectRef && { boundObjectRef }) } });
  const pod = { apiVersion: "v1", kind: "Pod", name: "mine", uid: mine };
  await token(pod);
  await token(pod, ["vault"]);
  await rejects(token(undefined), denied(/not bound to a pod$/));
  await rejects(token({ ...pod, kind: "Secret" }), denied(/not bound to a pod$/));
  await rejects(token({ ...pod, kind: "Node", name: "n1" }), denied(/not bound to a pod$/));
  await rejects(token({ ...pod, uid: "" }), denied(/without a uid$/));
  await rejects(token({ ...pod, uid: other }), denied(/does not match the UID in record/));
  await rejects(token({ ...pod, name: "other", uid: other }), denied(/scheduled on a different node$/));
  await rejects(token(pod, ["bank"]), denied(/audience "bank" not found in pod spec volume/));
  await rejects(token(pod, ["vault", "bank"]), denied(/0 or 1 audiences$/));
  await rejects(server.create({ ...target, name: "robot" }, { spec: { boundObjectRef: pod } }), refusal(403));
});

Deno.test("a node's lease is its own", async () => {
  await using server = await withNodes();
  const leases = { resource: "leases.coordination.k8s.io", namespace: "kube-node-lease", user: n1 };
  await server.create(leases, { metadata: { name: "n1" } });
  await rejects(server.create(leases, { metadata: { name: "n2" } }), denied(/same name as the requesting node$/));
  await rejects(server.create({ ...leases, namespace: NAMESPACE }, { metadata: { name: "n1" } }), refusal(403));
});

Deno.test("which labels are a node's own to change", () => {
  const own = [
    "a",
    "example.com/a",
    "kubernetes.io/hostname",
    "x.kubelet.kubernetes.io/a",
    "topology.kubernetes.io/zone",
  ];
  const others = [
    "kubernetes.io/a",
    "k8s.io/a",
    "x.k8s.io/a",
    "a.node-restriction.kubernetes.io/b",
    "node-role.kubernetes.io/x",
  ];
  const all = (value: string) => Object.fromEntries([...own, ...others].map((key) => [key, value]));
  const sorted = others.toSorted();
  deepEqual(forbiddenNodeLabels(all("1")), sorted);
  deepEqual(forbiddenNodeLabels(all("1"), all("2")), sorted);
  deepEqual(forbiddenNodeLabels({}, all("1")), sorted);
  deepEqual(forbiddenNodeLabels(all("1"), all("1")), []);
});

interface Named {
  metadata: { name: string; uid: string; deletionTimestamp?: string };
}

/** n1 with the pod `mine`, n2 with `other`. */
async function withNodes(): Promise<TestApiServer> {
  const server = await testApiServer();
  for (const name of ["default", "robot"]) {
    await server.create({ resource: "serviceaccounts", namespace: NAMESPACE }, { metadata: { name } });
  }
  for (const [name, pod] of [["n1", "mine"], ["n2", "other"]]) {
    const taints = [{ key: "dedicated", value: "x", effect: "NoSchedule" }];
    await server.create({ resource: "nodes" }, { metadata: { name }, spec: { taints } });
    const sources = [{ serviceAccountToken: { path: "vault", audience: "vault" } }];
    await server.create({ resource: "pods", namespace: NAMESPACE }, {
      metadata: { name: pod, labels: { app: "web" } },
      spec: {
        nodeName: name,
        containers: [{ name: "c", image: "i" }],
        volumes: [{ name: "vault", projected: { sources } }],
      },
    });
  }
  return server;
}
