import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Pod } from "@k3ts/model";
import fc from "fast-check";
import { refusal } from "../testing/refusal.ts";
import { type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import { podReferences } from "./pod_references.ts";
import type { ResourceAction } from "./rules.ts";
import { authenticatedUser, type User } from "./user.ts";

const nodeUser = (name: string): User => authenticatedUser(`system:node:${name}`, ["system:nodes"]);
const n1 = nodeUser("n1");
const NAMESPACE = "default";

Deno.test("a node reads what its own pods use, one by one, and nothing else of the kind", async () => {
  await using server = await withPods();
  const ask = (action: Partial<ResourceAction>) =>
    server.verbs.access.allowed(n1, { verb: "get", group: "", resource: "secrets", namespace: NAMESPACE, ...action });
  const mine = ["env", "from", "init", "mounted", "projected", "pull"];
  for (const name of mine) equal(ask({ name }), true, name);
  for (const verb of ["list", "watch"]) equal(ask({ verb, name: "env" }), true, verb);
  equal(ask({ name: "theirs" }), false);
  equal(ask({ name: "env", namespace: "kube-system" }), false);
  for (const verb of ["list", "watch"]) equal(ask({ verb }), false, `${verb} of all`);
  for (const verb of ["create", "update", "patch", "delete", "deletecollection"]) {
    equal(ask({ verb, name: "env" }), false);
  }
  equal(ask({ resource: "configmaps", name: "settings" }), true);
  equal(ask({ resource: "configmaps", name: "env" }), false);
  equal(ask({ resource: "persistentvolumeclaims", name: "disk" }), true);
  equal(ask({ resource: "persistentvolumeclaims", name: "mine-scratch" }), true);
  equal(ask({ resource: "persistentvolumeclaims", name: "disk", verb: "list" }), false);
  equal(ask({ resource: "serviceaccounts", name: "robot" }), true);
  equal(ask({ resource: "serviceaccounts", name: "default" }), false);
});

Deno.test("a node asks for tokens of the accounts of its pods only", async () => {
  await using server = await withPods();
  const token = { verb: "create", group: "", resource: "serviceaccounts", subresource: "token", namespace: NAMESPACE };
  equal(server.verbs.access.allowed(n1, { ...token, name: "robot" }), true);
  equal(server.verbs.access.allowed(n1, { ...token, name: "default" }), false);
  equal(server.verbs.access.allowed(n1, { ...token, name: "robot", namespace: "kube-system" }), false);
});

Deno.test("what a node may do beside that", async () => {
  await using server = await withPods();
  const allowed = (text: string, more: Partial<ResourceAction> = {}) => {
    const [verb, path, namespace, name] = text.split(" ") as [string, string, string?, string?];
    const [group, resource, subresource] = path.split("/") as [string, string, string?];
    const action = { verb, group: group === "core" ? "" : group, resource, ...(subresource && { subresource }) };
    return server.verbs.access.allowed(n1, { ...action, namespace: namespace === "-" ? "" : namespace, name, ...more });
  };
  const may = [
    "get core/pods default mine",
    "watch core/pods default mine",
    "create core/pods default",
    "delete core/pods default mine",
    "update core/pods/status default mine",
    "patch core/pods/status default mine",
    "create core/pods/eviction default mine",
    "get core/nodes - n1",
    "watch core/nodes - n1",
    "create core/nodes",
    "update core/nodes - n1",
    "patch core/nodes/status - n1",
    "get coordination.k8s.io/leases kube-node-lease n1",
    "update coordination.k8s.io/leases kube-node-lease n1",
    "create coordination.k8s.io/leases kube-node-lease",
    "delete storage.k8s.io/csinodes - n1",
    "list core/services",
    "watch discovery.k8s.io/endpointslices",
    "create core/events default",
    "create authentication.k8s.io/tokenreviews",
    "create authorization.k8s.io/subjectaccessreviews",
  ];
  const mayNot = [
    "get core/pods default other",
    "list core/pods",
    "watch core/pods default",
    "update core/pods default mine",
    "patch core/pods default mine",
    "deletecollection core/pods default",
    "create core/pods/binding default mine",
    "create core/pods/exec default mine",
    "get core/pods/log default mine",
    "delete core/nodes - n1",
    "delete core/nodes - n2",
    "get core/nodes/proxy - n1",
    "list coordination.k8s.io/leases kube-node-lease",
    "get coordination.k8s.io/leases kube-node-lease n2",
    "update coordination.k8s.io/leases default n1",
    "get storage.k8s.io/csinodes - n2",
    "get core/secrets default theirs",
    "get core/namespaces - default",
    "list rbac.authorization.k8s.io/clusterroles",
    "impersonate core/users - admin",
    "impersonate core/groups - system:masters",
    "get core/persistentvolumes - pv",
    "create certificates.k8s.io/podcertificaterequests default",
    "delete core/events default x",
  ];
  for (const text of may) equal(allowed(text), true, text);
  for (const text of mayNot) equal(allowed(text), false, text);
  const selecting = (field: string, value: string, equal = true) => ({ fieldSelector: [{ field, equal, value }] });
  equal(allowed("watch core/pods", selecting("spec.nodeName", "n1")), true);
  equal(allowed("list core/pods", selecting("spec.nodeName", "n1")), true);
  equal(allowed("list core/pods", selecting("spec.nodeName", "n2")), false);
  equal(allowed("list core/pods", selecting("spec.nodeName", "n1", false)), false);
  equal(allowed("list core/pods", selecting("status.phase", "n1")), false);
});

Deno.test("who bears a node's name without its group, or the group without a name, is no node", async () => {
  await using server = await withPods();
  const read = { verb: "get", group: "", resource: "secrets", namespace: NAMESPACE, name: "env" };
  for (
    const user of [authenticatedUser("system:node:n1", []), authenticatedUser("n1", ["system:nodes"]), nodeUser("")]
  ) {
    equal(server.verbs.access.allowed(user, read), false, user.name);
  }
});

Deno.test("a refusal says why", async () => {
  await using server = await withPods();
  await rejects(
    server.get({ resource: "secrets", namespace: NAMESPACE, name: "theirs", user: n1 }),
    refusal(
      403,
      'secrets "theirs" is forbidden: User "system:node:n1" cannot get resource "secrets" in API group "" in the ' +
        "namespace \"default\": no relationship found between node 'n1' and this object",
    ),
  );
});

Deno.test("a pod that goes takes along what its node might read for it, and one that comes brings it", async () => {
  await using server = await withPods();
  const read = { verb: "get", group: "", resource: "secrets", namespace: NAMESPACE, name: "env" };
  equal(server.verbs.access.allowed(n1, read), true);
  await server.delete({ resource: "pods", namespace: NAMESPACE, name: "mine" }, { gracePeriodSeconds: 0 });
  equal(server.verbs.access.allowed(n1, read), false);
  await server.create({ resource: "pods", namespace: NAMESPACE }, {
    metadata: { name: "waits" },
    spec: { containers: [{ name: "c", image: "i", envFrom: [{ secretRef: { name: "env" } }] }] },
  });
  equal(server.verbs.access.allowed(n1, read), false);
  await server.create({ resource: "pods", namespace: NAMESPACE, name: "waits", subresource: "binding" }, {
    metadata: { name: "waits" },
    target: { kind: "Node", name: "n1" },
  });
  equal(server.verbs.access.allowed(n1, read), true);
});

Deno.test("what a pod uses is found in every place that can name it, and nowhere for a mirror pod", () => {
  const secret = (name: string) => ({ secretRef: { name } });
  const volumes = [
    { name: "a", azureFile: { secretName: "azure", shareName: "s" } },
    { name: "b", cephfs: { monitors: [], ...secret("ceph") } },
    { name: "c", csi: { driver: "d", nodePublishSecretRef: { name: "csi" } } },
    { name: "d", storageos: secret("storageos") },
    { name: "e", iscsi: { targetPortal: "p", iqn: "i", lun: 0, ...secret("iscsi") } },
  ];
  const pod = {
    metadata: { name: "p", uid: "u" },
    spec: {
      containers: [],
      volumes,
      ephemeralContainers: [{ name: "x", envFrom: [secret("debug")] }],
      resourceClaims: [{ name: "gpu" }, { name: "net", resourceClaimName: "shared" }],
    },
    status: { resourceClaimStatuses: [{ name: "gpu", resourceClaimName: "p-gpu-1" }] },
  } as unknown as Pod;
  deepEqual(
    podReferences(pod).map(({ resource, name }) => `${resource}/${name}`).sort(),
    [
      "resourceclaims/p-gpu-1",
      "resourceclaims/shared",
      ...["azure", "ceph", "csi", "debug", "iscsi", "storageos"].map((name) => `secrets/${name}`),
    ],
  );
  const annotations = { "kubernetes.io/config.mirror": "x" };
  deepEqual(podReferences({ ...pod, metadata: { ...pod.metadata, annotations } }), []);
});

const pick = <T>(...values: T[]) => fc.constantFrom(...values);
const change = fc.oneof(
  fc.record({
    do: fc.constant("make" as const),
    pod: pick("a", "b", "c"),
    node: pick("n1", "n2", ""),
    secrets: fc.subarray(["x", "y", "z"]),
  }),
  fc.record({ do: fc.constant("delete" as const), pod: pick("a", "b", "c") }),
  fc.record({ do: fc.constant("ask" as const) }),
);

Deno.test("whatever pods come and go, a node reads exactly what its own pods use", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 20 }), async (changes) => {
      await using server = await testApiServer();
      await account(server, "default");
      const there = new Map<string, { node: string; secrets: string[] }>();
      const check = () => {
        for (const node of ["n1", "n2"]) {
          for (const name of ["x", "y", "z"]) {
            const wanted = [...there.values()].some((pod) => pod.node === node && pod.secrets.includes(name));
            const action = { verb: "get", group: "", resource: "secrets", namespace: NAMESPACE, name };
            equal(server.verbs.access.allowed(nodeUser(node), action), wanted);
          }
        }
      };
      for (const one of changes) {
        if (one.do === "ask") check();
        else if (one.do === "delete" && there.delete(one.pod)) {
          await server.delete({ resource: "pods", namespace: NAMESPACE, name: one.pod }, { gracePeriodSeconds: 0 });
        } else if (one.do === "make" && !there.has(one.pod)) {
          const envFrom = one.secrets.map((name) => ({ secretRef: { name } }));
          await server.create({ resource: "pods", namespace: NAMESPACE }, {
            metadata: { name: one.pod },
            spec: { ...(one.node && { nodeName: one.node }), containers: [{ name: "c", image: "i", envFrom }] },
          });
          there.set(one.pod, one);
        }
      }
      check();
    }),
    { numRuns: 40 },
  );
});

async function account(server: TestApiServer, name: string): Promise<void> {
  await server.create({ resource: "serviceaccounts", namespace: NAMESPACE }, { metadata: { name } });
}

/** A server with the pod `mine` on n1, which uses much, and `other` on n2, which uses a Secret. */
async function withPods(): Promise<TestApiServer> {
  const server = await testApiServer();
  for (const name of ["default", "robot"]) await account(server, name);
  const pods = { resource: "pods", namespace: NAMESPACE };
  await server.create(pods, {
    metadata: { name: "mine" },
    spec: {
      nodeName: "n1",
      serviceAccountName: "robot",
      automountServiceAccountToken: false,
      imagePullSecrets: [{ name: "pull" }],
      initContainers: [{ name: "i", image: "i", envFrom: [{ secretRef: { name: "init" } }] }],
      containers: [{
        name: "c",
        image: "i",
        env: [{ name: "E", valueFrom: { secretKeyRef: { name: "env", key: "k" } } }],
        envFrom: [{ secretRef: { name: "from" } }, { configMapRef: { name: "settings" } }],
      }],
      volumes: [
        { name: "s", secret: { secretName: "mounted" } },
        { name: "p", projected: { sources: [{ secret: { name: "projected" } }] } },
        { name: "d", persistentVolumeClaim: { claimName: "disk" } },
        {
          name: "scratch",
          ephemeral: {
            volumeClaimTemplate: {
              spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
            },
          },
        },
      ],
    },
  });
  await server.create(pods, {
    metadata: { name: "other" },
    spec: {
      nodeName: "n2",
      containers: [{ name: "c", image: "i", envFrom: [{ secretRef: { name: "theirs" } }] }],
    },
  });
  return server;
}
