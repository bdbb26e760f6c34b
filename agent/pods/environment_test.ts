import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import type { ConfigMap, Container, Secret, Service } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { type Known, type Reference, References } from "../sync/references.ts";
import { type EnvironmentInput, environmentOf } from "./environment.ts";
import { expand } from "./expand.ts";

const metadata = { name: "settings", uid: "1", resourceVersion: "1", creationTimestamp: "" };

function environment(container: Partial<Container>, over: Partial<EnvironmentInput> = {}): Record<string, string> {
  const pod = aPod({
    name: "web",
    labels: { app: "web" },
    spec: { containers: [{ name: "main", ...container }], nodeName: "n1" },
  });
  const known = ({ kind, name }: Reference): Known<ConfigMap | Secret> =>
    name !== "settings" ? { state: "absent" } : {
      state: "known",
      object: { metadata, data: kind === "Secret" ? { PASSWORD: btoa("geheim") } : { COLOR: "blue", SIZE: "2" } },
    };
  return Object.fromEntries(environmentOf({
    pod,
    container: pod.spec!.containers[0]!,
    references: new References(known),
    services: [],
    hostAddress: "192.0.2.1",
    podAddress: "10.42.0.2",
    node: { cpuCores: 4, memoryBytes: 8 * 2 ** 30 },
    ...over,
  }));
}

Deno.test("variables come from values, fields, resources, ConfigMaps and Secrets", () => {
  const env = environment({
    resources: { limits: { memory: "64Mi" } },
    envFrom: [{ configMapRef: { name: "settings" }, prefix: "APP_" }],
    env: [
      { name: "PLAIN", value: "1" },
      { name: "NODE", valueFrom: { fieldRef: { fieldPath: "spec.nodeName" } } },
      { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
      { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: "MEMORY", valueFrom: { resourceFieldRef: { resource: "limits.memory", divisor: "1Mi" } } },
      { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
      { name: "SECRET", valueFrom: { secretKeyRef: { name: "settings", key: "PASSWORD" } } },
      { name: "BOTH", value: "$(PLAIN)/$(APP_COLOR)/$(NONE)/$$(PLAIN)" },
    ],
  });
  assertEquals(env, {
    APP_COLOR: "blue",
    APP_SIZE: "2",
    PLAIN: "1",
    NODE: "n1",
    IP: "10.42.0.2",
    APP: "web",
    MEMORY: "64",
    CPU: "4",
    SECRET: "geheim",
    BOTH: "1/blue/$(NONE)/$(PLAIN)",
  });
});

Deno.test("what is missing is an error that names it, unless it is optional", () => {
  const missing = (optional: boolean) => ({
    env: [{ name: "A", valueFrom: { configMapKeyRef: { name: "none", key: "a", optional } } }],
  });
  throws(() => environment(missing(false)), { name: "ConfigError", message: 'configmap "none" not found' });
  assertEquals(environment(missing(true)), {});
});

Deno.test("Services of the namespace are found in variables", () => {
  const service: Service = {
    metadata: { ...metadata, name: "red-is", namespace: "default" },
    spec: { clusterIP: "10.43.0.9", ports: [{ name: "db", port: 6379 }] },
  };
  const env = environment({}, { services: [service] });
  assertEquals([env.RED_IS_SERVICE_HOST, env.RED_IS_SERVICE_PORT_DB, env.RED_IS_PORT], [
    "10.43.0.9",
    "6379",
    "tcp://10.43.0.9:6379",
  ]);
});

Deno.test("references are expanded, doubled dollars are not", () => {
  const variables = new Map([["A", "1"]]);
  equal(expand("$(A) $$(A) $A $(B) $", variables), "1 $(A) $A $(B) $");
  equal(expand("$$$(A)", variables), "$1");
});
