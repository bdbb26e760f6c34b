import { deepEqual as assertEquals, ok } from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { Command } from "commander";
import { DiscoveredResourceSchema } from "@k3ts/proto";
import { registerCommands } from "../command_table.ts";
import { candidates, type Connect } from "./candidates.ts";
import { readLine } from "./line.ts";

const program = new Command("k3ts");
await registerCommands(program, undefined);

const resource = (name: string, singular: string, more = {}) =>
  create(DiscoveredResourceSchema, {
    version: "v1",
    resource: name,
    singular,
    kind: singular,
    namespaced: true,
    preferred: true,
    verbs: ["list"],
    ...more,
  });
const NAMES: Record<string, string[]> = {
  pods: ["web-1", "web-2"],
  services: ["web", "web\nreboot", "web\u001b[2J"],
  namespaces: ["default", "web"],
};
const connect = (() =>
  Promise.resolve({
    namespace: "default",
    connection: {
      clients: {
        discover: () =>
          Promise.resolve([
            resource("pods", "pod", { shortNames: ["po"] }),
            resource("services", "service"),
            resource("namespaces", "namespace", { namespaced: false }),
            resource("subjectaccessreviews", "subjectaccessreview", { verbs: ["create"] }),
          ]),
        of: ({ resource }: { resource: string }) => ({
          listTable: () =>
            Promise.resolve({ rows: NAMES[resource]!.map((name) => ({ object: { metadata: { name } } })) }),
          get: () => Promise.resolve({ spec: { containers: [{ name: "app" }, { name: "side" }] } }),
        }),
      },
    },
  })) as unknown as Connect;
const words = async (...typed: string[]) =>
  (await candidates(readLine(program, typed), connect)).words.map(({ word }) => word);

Deno.test("every command can be completed, and what only programs use is left out", async () => {
  const all = await words("");
  for (const name of ["get", "apply", "rollout", "completion"]) ok(all.includes(name), name);
  ok(!all.some((name) => name.startsWith("_")));
});

Deno.test("resources are those that can be listed; for a question also the others", async () => {
  assertEquals(await words("get", "s"), ["services"]);
  assertEquals(await words("get", "pods,s"), ["pods,services"]);
  assertEquals(await words("auth", "can-i", "create", "s"), ["services", "subjectaccessreviews"]);
});

Deno.test("names follow their resource, behind a space or a slash, each once", async () => {
  assertEquals(await words("get", "po", ""), ["web-1", "web-2"]);
  assertEquals(await words("get", "pods", "web-1", ""), ["web-2"]);
  assertEquals(await words("delete", "pod/web-2"), ["pod/web-2"]);
  assertEquals(await words("auth", "can-i", "get", "pods/web-1"), ["pods/web-1"]);
  assertEquals(await words("logs", "w"), ["web-1", "web-2"]);
  // One with what would end a line, or command a terminal, is not shown.
  assertEquals(await words("get", "services", ""), ["web"]);
});

Deno.test("namespaces, containers and choices are values of options", async () => {
  assertEquals(await words("get", "pods", "-n", "d"), ["default"]);
  assertEquals(await words("get", "--namespace=w"), ["--namespace=web"]);
  assertEquals(await words("logs", "web-1", "-c", ""), ["app", "side"]);
  assertEquals(await words("exec", "pod/web-1", "-c", "s"), ["side"]);
  assertEquals(await words("delete", "--dry-run=c"), ["--dry-run=client"]);
});
