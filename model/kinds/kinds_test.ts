import { deepEqual as assertEquals, ok as assert, throws as assertThrows } from "node:assert/strict";
import { allResources } from "../facts/mod.ts";
import { cloneJson } from "../json.ts";
import {
  aConfigMap,
  aDaemonSet,
  aDeployment,
  aDisruptionBudget,
  aJob,
  aNamespace,
  aNode,
  aPod,
  aReplicaSet,
  aSecret,
  aService,
} from "../testing/mod.ts";
import {
  type ApiObject,
  BindingRefused,
  bindPod,
  formatFieldError,
  formatInvalid,
  type Kind,
  kindOf,
  kindOfFacts,
  kinds,
} from "./mod.ts";

const NOW = Date.parse("2026-01-01T01:00:00Z");

const built: [Kind, () => ApiObject][] = [
  [kindOf("", "pods"), () => aPod()],
  [kindOf("apps", "replicasets"), () => aReplicaSet()],
  [kindOf("apps", "deployments"), () => aDeployment()],
  [kindOf("apps", "daemonsets"), () => aDaemonSet()],
  [kindOf("batch", "jobs"), () => aJob()],
  [kindOf("policy", "poddisruptionbudgets"), () => aDisruptionBudget()],
  [kindOf("", "services"), () => aService()],
  [kindOf("", "nodes"), () => aNode()],
  [kindOf("", "namespaces"), () => aNamespace()],
  [kindOf("", "configmaps"), () => aConfigMap({ data: { a: "b" } })],
  [kindOf("", "secrets"), () => aSecret({ data: { a: "AAAA" } })],
];

for (const [kind, build] of built) {
  Deno.test(`what the builder makes for ${kind.resource} is valid`, () => {
    const object = build();
    kind.defaults(object);
    assertEquals(kind.validate(object).map(formatFieldError), []);
    assertEquals(kind.validateUpdate(cloneJson(object), object, "").map(formatFieldError), []);
  });

  Deno.test(`defaulting ${kind.resource} twice is defaulting once`, () => {
    const object = build();
    kind.defaults(object);
    const once = cloneJson(object);
    kind.defaults(object);
    assertEquals(object, once);
  });

  Deno.test(`an update of ${kind.resource} that changes nothing leaves the generation`, () => {
    const old = build();
    kind.defaults(old);
    kind.prepareForCreate(old);
    const next = cloneJson(old);
    kind.prepareForUpdate(next, old, "");
    assertEquals(next.metadata.generation, old.metadata.generation);
  });
}

Deno.test("every kind's row has a cell for each of its columns", () => {
  for (const [kind, build] of built) {
    const object = build();
    kind.defaults(object);
    const row = kind.row(object, NOW);
    assertEquals(row.length, kind.columns.length, kind.resource);
    assertEquals(kind.columns.filter(({ format }) => format === "name").length, 1);
  }
});

Deno.test("every kind that has rules is a resource of the facts", () => {
  const known = new Set(allResources().map(({ group, resource }) => group === "" ? resource : `${resource}.${group}`));
  for (const { resource } of kinds) assert(known.has(resource), resource);
});

Deno.test("a priority class keeps its value, and those above the users' are the system's alone", () => {
  const kind = kindOf("scheduling.k8s.io", "priorityclasses");
  const make = (name: string, value: number) => {
    const metadata = { name, resourceVersion: "1", creationTimestamp: "2026-01-01T00:00:00Z" };
    const object = { metadata, value };
    kind.defaults(object);
    kind.prepareForCreate(object);
    return object;
  };
  const problems = (name: string, value: number) => kind.validate(make(name, value)).map(formatFieldError);
  assertEquals(problems("high", 1_000_000_000), []);
  assertEquals(problems("high", 1_000_000_001), [
    "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
  ]);
  assertEquals(problems("system-node-critical", 2_000_001_000), []);
  for (const [name, value] of [["system-node-critical", 1], ["system-mine", 1]] as const) {
    assert(problems(name, value)[0]?.startsWith("metadata.name: Forbidden: priority class names with 'system-'"));
  }
  const old = make("high", 1);
  assertEquals(kind.validateUpdate(make("high", 2), old, "").map(formatFieldError), [
    "value: Forbidden: may not be changed in an update.",
  ]);
  const next = make("high", 1);
  kind.prepareForUpdate(next, old, "");
  assertEquals(kind.validateUpdate(next, old, ""), []);
  assertEquals(kind.row(old, NOW), ["high", 1, false, "60m", "PreemptLowerPriority"]);
});

Deno.test("a resource without rules of its own has those of every object", () => {
  const kind = kindOf("autoscaling", "horizontalpodautoscalers");
  const object: ApiObject = {
    metadata: { name: "A", namespace: "default", creationTimestamp: "2026-01-01T00:00:00Z" },
  };
  assertEquals(kind.validate(object).length, 1);
  assertEquals(kind.columns.map(({ name }) => name), ["Name", "Age"]);
  assertEquals(kind.row(object, NOW), ["A", "60m"]);
  assertThrows(() => kindOf("", "nothing"), RangeError);
});

Deno.test("a custom resource's status is its subresource's alone", () => {
  const subresources = [{
    name: "status",
    group: "x",
    version: "v1",
    kind: "Y",
    verbs: ["get" as const, "update" as const],
  }];
  const kind = kindOfFacts({
    group: "x.example.com",
    resource: "ys",
    namespaced: true,
    versions: [{ version: "v1", verbs: ["get"], subresources }],
  });
  const old = { metadata: { name: "a" }, spec: { a: 1 }, status: { b: 1 } };
  const next = { metadata: { name: "a" }, spec: { a: 2 }, status: { b: 2 } };
  kind.prepareForUpdate(next, old, "status");
  assertEquals([next.spec, next.status], [{ a: 1 }, { b: 2 }]);
});

Deno.test("a write of the object leaves its status, and one of the status all else", () => {
  const kind = kindOf("apps", "deployments");
  const old = aDeployment({ replicas: 1, status: { replicas: 1 } });
  const write = () => ({ ...aDeployment({ replicas: 3, status: { replicas: 3 }, labels: { app: "x" } }) });
  const main = write();
  kind.prepareForUpdate(main, old, "");
  assertEquals([main.spec?.replicas, main.status?.replicas, main.metadata.generation], [3, 1, 2]);
  const status = write();
  kind.prepareForUpdate(status, old, "status");
  assertEquals([status.spec?.replicas, status.status?.replicas, status.metadata.generation], [1, 3, 1]);
  assertEquals(status.metadata.labels, old.metadata.labels);
});

Deno.test("what is wrong is told at once, one cause a line", () => {
  const kind = kindOf("", "configmaps");
  const object = aConfigMap({ name: "A", data: { "a/b": "c" } });
  assertEquals(formatInvalid("ConfigMap", "A", kind.validate(object)).split("regex used").length, 3);
  assertEquals(
    formatInvalid("Pod", "p", [{ type: "FieldValueRequired", field: "spec.containers", body: "Required value" }]),
    'Pod "p" is invalid: spec.containers: Required value',
  );
});

Deno.test("a scale reads and writes the number of replicas", () => {
  const { scale } = kindOf("apps", "deployments");
  const deployment = aDeployment({ replicas: 2, status: { replicas: 1 } });
  assertEquals(scale?.read(deployment), { replicas: 2, statusReplicas: 1, selector: "app=demo" });
  scale?.write(deployment, 5);
  assertEquals(deployment.spec?.replicas, 5);
});

Deno.test("a client that does not know of addresses and ports keeps them", () => {
  const kind = kindOf("", "services");
  const old = aService({
    spec: { type: "NodePort", ports: [{ name: "a", port: 80, protocol: "TCP", targetPort: 80, nodePort: 30080 }] },
  });
  const next = aService({
    spec: { type: "NodePort", ports: [{ name: "a", port: 81, protocol: "TCP", targetPort: 80 }] },
  });
  delete next.spec!.clusterIP;
  delete next.spec!.clusterIPs;
  kind.prepareForUpdate(next, old, "");
  assertEquals([next.spec?.clusterIP, next.spec?.clusterIPs, next.spec?.ports?.[0]?.nodePort], ["10.43.0.50", [
    "10.43.0.50",
  ], 30080]);
});

Deno.test("a Service that becomes an alias gives its address back", () => {
  const kind = kindOf("", "services");
  const next = aService({ spec: { type: "ExternalName", externalName: "example.com" } });
  kind.prepareForUpdate(next, aService(), "");
  assertEquals([next.spec?.clusterIP, next.spec?.clusterIPs, next.spec?.ipFamilies], [undefined, undefined, undefined]);
});

const binding = {
  metadata: { name: "p", uid: "", resourceVersion: "", creationTimestamp: "" },
  target: { kind: "Node", name: "n1" },
};

Deno.test("binding gives a pod its node and says that it is scheduled", () => {
  const bound = bindPod(aPod({ name: "p" }), binding, NOW);
  assertEquals(bound.spec.nodeName, "n1");
  const scheduled = { type: "PodScheduled", status: "True", lastTransitionTime: "2026-01-01T01:00:00Z" };
  assertEquals(bound.status?.conditions, [scheduled]);
});

Deno.test("a pod that has a node, is on its way out or is held back is not bound", () => {
  const pods = [
    aPod({ node: "n2" }),
    aPod({ deleted: "2026-01-01T00:00:00Z" }),
    aPod({ spec: { schedulingGates: [{ name: "a" }] } }),
  ];
  for (const pod of pods) assertThrows(() => bindPod(pod, binding, NOW), BindingRefused);
});

Deno.test("events of both groups are one in two forms", () => {
  const { convert } = kindOf("", "events");
  const core = {
    apiVersion: "v1",
    kind: "Event",
    metadata: { name: "e" },
    involvedObject: { kind: "Pod", name: "p" },
    message: "m",
    count: 2,
    reportingComponent: "c",
  };
  const other = convert!(core, "v1", "events.k8s.io/v1");
  assertEquals(other["regarding"], core.involvedObject);
  assertEquals([other["note"], other["deprecatedCount"], other["reportingController"]], ["m", 2, "c"]);
  assertEquals(convert!(other, "events.k8s.io/v1", "v1"), core);
});

Deno.test("a template of pods on their node's network may leave host ports out, and name no others", () => {
  const daemonSet = (ports: { containerPort: number; hostPort?: number }[]) => {
    const made = aDaemonSet();
    const spec = made.spec!.template.spec!;
    spec.hostNetwork = true;
    spec.containers[0]!.ports = ports;
    const kind = kindOf("apps", "daemonsets");
    kind.defaults(made);
    return kind.validate(made).map(formatFieldError);
  };
  assertEquals(daemonSet([{ containerPort: 9100 }]), []);
  assertEquals(daemonSet([{ containerPort: 9100, hostPort: 9101 }]), [
    "spec.template.spec.containers[0].ports[0].hostPort: Invalid value: 9101: must match `containerPort` when " +
    "`hostNetwork` is true",
  ]);
});
