import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import type { ConfigMap, Pod, Secret } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { text } from "../pods/text.ts";
import { type Known, References } from "../sync/references.ts";
import { planVolumes, type VolumeInput } from "./plan.ts";

const metadata = { name: "settings", uid: "1", resourceVersion: "1", creationTimestamp: "" };

function input(pod: Pod, known: Known<ConfigMap | Secret>): VolumeInput {
  return {
    pod,
    references: new References(() => known),
    node: { cpuCores: 2, memoryBytes: 2 ** 30 },
    hostAddress: "192.0.2.1",
  };
}

function plan(
  volume: NonNullable<NonNullable<Pod["spec"]>["volumes"]>[number],
  known: Known<ConfigMap | Secret> = { state: "absent" },
) {
  const pod = aPod({ name: "web", labels: { app: "web" }, spec: { volumes: [volume] } });
  return planVolumes(pod, input(pod, known))[0]!;
}

const files = (plan: ReturnType<typeof planVolumes>[number], tokens = new Map<string, string>()) => {
  if (plan.kind !== "files") throw new Error("it has no files");
  return Object.fromEntries(
    [...plan.payload(tokens)].map(([path, { content, mode }]) => [path, `${mode.toString(8)} ${text(content)}`]),
  );
};

Deno.test("a ConfigMap's keys are files, those that are named under their paths", () => {
  const known = { state: "known" as const, object: { metadata, data: { a: "1", b: "2" } } };
  assertEquals(files(plan({ name: "v", configMap: { name: "settings" } }, known)), { a: "644 1", b: "644 2" });
  const items = [{ key: "b", path: "deep/b", mode: 0o600 }];
  assertEquals(files(plan({ name: "v", configMap: { name: "settings", items } }, known)), { "deep/b": "600 2" });
});

Deno.test("a Secret is decoded and kept in memory", () => {
  const known = { state: "known" as const, object: { metadata, data: { key: btoa("geheim") } } };
  const secret = plan({ name: "v", secret: { secretName: "settings", defaultMode: 0o400 } }, known);
  assertEquals(files(secret), { key: "400 geheim" });
  equal(secret.kind === "files" && secret.inMemory, true);
});

Deno.test("what is missing is an error, unless it may be; what is not known yet always is", () => {
  throws(() => files(plan({ name: "v", configMap: { name: "settings" } })), /configmap "settings" not found/);
  assertEquals(files(plan({ name: "v", configMap: { name: "settings", optional: true } })), {});
  const unknown = plan({ name: "v", configMap: { name: "settings", optional: true } }, { state: "unknown" });
  throws(() => files(unknown), /has not yet/);
});

Deno.test("the access to the API is a token, the CA and the namespace in one volume", () => {
  const known = { state: "known" as const, object: { metadata, data: { "ca.crt": "CA" } } };
  const volume = plan({
    name: "api",
    projected: {
      sources: [
        { serviceAccountToken: { path: "token", expirationSeconds: 3607 } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [{ path: "namespace", fieldRef: { fieldPath: "metadata.namespace" } }] } },
      ],
    },
  }, known);
  equal(volume.kind === "files" && volume.tokens[0]?.expirationSeconds, 3607);
  assertEquals(files(volume, new Map([["api/token", "T"]])), {
    token: "644 T",
    "ca.crt": "644 CA",
    namespace: "644 default",
  });
});
