import { deepEqual as assertEquals, equal, rejects, throws } from "node:assert/strict";
import { parseManifests, readManifests } from "./manifests.ts";

const names = (text: string) => parseManifests(text, "a.yaml").map(({ kind, metadata }) => `${kind}/${metadata.name}`);

Deno.test("documents of YAML are objects; empty ones are passed over", () => {
  const text =
    "---\n# nothing\n---\napiVersion: v1\nkind: A\nmetadata: {name: x}\n---\napiVersion: v1\nkind: B\nmetadata: {name: z}\n";
  assertEquals(names(text), ["A/x", "B/z"]);
});

Deno.test("JSON is read, and the items of lists", () => {
  const item = (name: string) => ({ apiVersion: "v1", kind: "A", metadata: { name } });
  assertEquals(names(JSON.stringify({ apiVersion: "v1", kind: "List", items: [item("x"), item("y")] })), [
    "A/x",
    "A/y",
  ]);
});

Deno.test("anchors and merge keys are resolved", () => {
  const [object] = parseManifests(
    "apiVersion: v1\nkind: A\nmetadata: {name: x, labels: &l {a: b}}\nspec: {<<: *l, c: d}\n",
    "a",
  );
  assertEquals((object as unknown as { spec: unknown }).spec, { a: "b", c: "d" });
});

Deno.test("errors name the file and what it must have", () => {
  throws(() => names("a: ["), /Cannot read a.yaml as it must be YAML or JSON: line 1: /);
  throws(() => names("kind: A\nkind: B"), /Cannot read a.yaml as no key may stand twice: .*line 2: key "kind"/);
  throws(
    () => names("kind: A\nmetadata: {name: x}"),
    /Cannot read a.yaml as every object must have apiVersion and kind/,
  );
  throws(
    () => names("apiVersion: v1\nkind: A\nmetadata: {name: yes}"),
    /metadata.name must be text: it is true; quote it/,
  );
  throws(() => names("just text"), /every object must have apiVersion and kind/);
  throws(() => names("apiVersion: v1\nkind: A\nmetadata: {}"), /metadata.name: a A has none/);
});

Deno.test("a folder is its manifests in the order of their names", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const write = (file: string, name: string) =>
      Deno.writeTextFile(`${folder}/${file}`, `apiVersion: v1\nkind: A\nmetadata: {name: ${name}}\n`);
    await write("2.yml", "second");
    await write("1.yaml", "first");
    await Deno.writeTextFile(`${folder}/notes.md`, "no manifest");
    assertEquals((await readManifests([folder])).map(({ metadata }) => metadata.name), ["first", "second"]);
    equal((await readManifests([`${folder}/2.yml`])).length, 1);
    await Deno.writeTextFile(`${folder}/empty.yaml`, "---\n");
    await rejects(readManifests([`${folder}/empty.yaml`]), /There is no object in/);
    await rejects(readManifests([`${folder}/missing.yaml`]), /Cannot read .*missing.yaml/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
