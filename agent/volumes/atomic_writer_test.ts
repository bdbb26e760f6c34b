import { deepEqual as assertEquals, equal, rejects } from "node:assert/strict";
import { namesIn } from "../files.ts";
import { inDirectory } from "../testing/in_directory.ts";
import { type Payload, writePayload } from "./atomic_writer.ts";

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { content: new TextEncoder().encode(text), mode }]));

Deno.test("files are seen through ..data, which one rename replaces", () =>
  inDirectory(async (directory, files) => {
    equal(await writePayload(files, { directory }, payload({ a: "1", "deep/b": "2" })), true);
    equal(await Deno.readTextFile(`${directory}/a`), "1");
    equal(await Deno.readTextFile(`${directory}/deep/b`), "2");
    equal(await Deno.readLink(`${directory}/a`), "..data/a");
    const before = await Deno.readLink(`${directory}/..data`);
    equal(await writePayload(files, { directory }, payload({ a: "3", c: "4" })), true);
    equal(await Deno.readTextFile(`${directory}/a`), "3");
    assertEquals((await namesIn(directory)).filter((name) => !name.startsWith("..")), ["a", "c"]);
    equal((await namesIn(directory)).includes(before), false);
  }));

Deno.test("what is the same is not written again", () =>
  inDirectory(async (directory, files) => {
    await writePayload(files, { directory }, payload({ a: "1" }));
    const before = await Deno.readLink(`${directory}/..data`);
    equal(await writePayload(files, { directory }, payload({ a: "1" })), false);
    equal(await Deno.readLink(`${directory}/..data`), before);
    equal(await writePayload(files, { directory }, payload({ a: "1" }, 0o600)), true);
  }));

Deno.test("a write that was cut short is finished by the next", () =>
  inDirectory(async (directory, files) => {
    await Deno.mkdir(`${directory}/..2026_01_01`);
    await Deno.symlink("..2026_01_01", `${directory}/..data_tmp`);
    await writePayload(files, { directory }, payload({ a: "1" }));
    equal(await Deno.readTextFile(`${directory}/a`), "1");
    equal((await namesIn(directory)).length, 3);
  }));

Deno.test("no path leads out of the volume", () =>
  inDirectory(async (directory, files) => {
    for (const path of ["../a", "/a", "a/../../b", "..a", ""]) {
      await rejects(writePayload(files, { directory }, payload({ [path]: "1" })), /must be relative/);
    }
  }));
