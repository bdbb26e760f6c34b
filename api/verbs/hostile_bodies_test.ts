import { equal, ok, rejects } from "node:assert/strict";
import { refusal } from "../testing/refusal.ts";
import { type TestApiServer, testApiServer } from "../testing/test_api_server.ts";
import { DecodeError } from "@k3ts/model";
import { refuseLaboriousYaml } from "./yaml_effort.ts";

const maps = { resource: "configmaps", namespace: "default" };
const bytes = (text: string) => new TextEncoder().encode(text);
const body = (text: string, encoding: "json" | "yaml" = "json") => ({ body: { bytes: bytes(text), encoding } });

async function withMap(): Promise<TestApiServer> {
  const server = await testApiServer();
  await server.create(maps, { metadata: { name: "a" } });
  return server;
}

Deno.test("YAML that would keep the parser busy for long is refused before it is parsed", async () => {
  await using server = await testApiServer();
  const laborious = {
    keys: `data:\n${Array.from({ length: 20_000 }, (_, index) => `  k${index}: v`).join("\n")}`,
    flow: `{${Array.from({ length: 20_000 }, (_, index) => `k${index}`).join(",")}}`,
    aliases: `x:\n${Array.from({ length: 5_000 }, (_, index) => `- &a${index} 1\n- *a${index}`).join("\n")}`,
    brackets: "[".repeat(200_000),
    length: `x: ${"y".repeat(300_000)}`,
  };
  for (const text of Object.values(laborious)) {
    await rejects(
      server.create(maps, {}, body(text, "yaml")),
      refusal(400, /yaml: (a document may have|exceeded max depth)/),
    );
  }
  // What only looks so is fine.
  refuseLaboriousYaml(bytes(`data:\n  x: |\n${"    [[[[ *a: b\n".repeat(10_000)}`));
  let refused: unknown;
  try {
    refuseLaboriousYaml(bytes(laborious.aliases));
  } catch (error) {
    refused = error;
  }
  ok(refused instanceof DecodeError);
});

Deno.test("a patch deeper than the stack is a bad request, whatever its language", async () => {
  await using server = await withMap();
  const target = { ...maps, name: "a" };
  const lists = "[".repeat(100_000) + "]".repeat(100_000);
  const objects = '{"a":'.repeat(100_000) + "1" + "}".repeat(100_000);
  const deep = refusal(400, /exceeded max depth/);
  await rejects(server.patch(target, "merge", {}, body(`{"x":${objects}}`)), deep);
  await rejects(server.patch(target, "strategic", {}, body(`{"data":${objects}}`)), deep);
  await rejects(server.patch(target, "json", {}, body(`[{"op":"add","path":"/x","value":${lists}}]`)), deep);
  equal((await server.get(target)).metadata.name, "a");
});

Deno.test("a manager's name must be short and printable", async () => {
  await using server = await withMap();
  const target = { ...maps, name: "a" };
  const long = { fieldManager: "x".repeat(129) };
  const tooLong = refusal(
    422,
    'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes',
  );
  await rejects(server.patch(target, "merge", {}, long), tooLong);
  await rejects(server.create(maps, { metadata: { name: "b" } }, long), refusal(422, /^CreateOptions/));
  await rejects(server.update(target, { metadata: { name: "a" } }, long), refusal(422, /^UpdateOptions/));
  await rejects(server.patch(target, "merge", {}, { fieldManager: "a\0b" }), refusal(422, /printable/));
  await server.patch(target, "merge", {}, { fieldManager: "Ünï 1" });
});

Deno.test("a pod that asks for ages to end is told to end all the same", async () => {
  await using server = await testApiServer();
  await server.create({ resource: "serviceaccounts", namespace: "default" }, { metadata: { name: "default" } });
  const pods = { resource: "pods", namespace: "default" };
  await server.create(pods, {
    metadata: { name: "a" },
    spec: { nodeName: "n", terminationGracePeriodSeconds: 9e15, containers: [{ name: "c", image: "i" }] },
  });
  const going = await server.delete({ ...pods, name: "a" });
  ok(going.metadata.deletionTimestamp !== undefined);
  await server.delete({ ...pods, name: "a" }, { gracePeriodSeconds: Number.MAX_SAFE_INTEGER });
  await server.delete({ ...pods, name: "a" }, { gracePeriodSeconds: 0 });
  await rejects(server.get({ ...pods, name: "a" }), refusal(404));
});
