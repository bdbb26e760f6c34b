import { deepEqual as assertEquals, equal, rejects } from "node:assert/strict";
import { createLog } from "@k3ts/client/telemetry";
import type { Pod } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import type { Files } from "../file_steps.ts";
import { inDirectory } from "../testing/in_directory.ts";
import { SavedObjects } from "./saved_objects.ts";

const LOG = createLog(() => {}, () => 0);

Deno.test("what was saved is there after a restart", () =>
  inDirectory(async (directory, files) => {
    const saved = new SavedObjects<Pod>(directory, files, LOG);
    await saved.open();
    await saved.put(aPod({ name: "a", namespace: "x" }));
    await saved.put(aPod({ name: "a", namespace: "y" }));
    const again = new SavedObjects<Pod>(directory, files, LOG);
    await again.open();
    assertEquals(again.list().map((pod) => pod.metadata.namespace), ["x", "y"]);
  }));

Deno.test("a change is on disk before anyone hears of it", () =>
  inDirectory(async (directory, files) => {
    const saved = new SavedObjects<Pod>(directory, files, LOG);
    await saved.open();
    const found: boolean[] = [];
    saved.onChange(() => found.push([...Deno.readDirSync(directory)].some((entry) => entry.name === "default_a.json")));
    const pod = aPod({ name: "a" });
    await saved.put(pod);
    await saved.put(pod);
    await saved.remove(pod);
    assertEquals(found, [true, false]);
  }));

Deno.test("a whole answer ends what it lacks", () =>
  inDirectory(async (directory, files) => {
    const saved = new SavedObjects<Pod>(directory, files, LOG);
    await saved.open();
    const [a, b] = [aPod({ name: "a" }), aPod({ name: "b" })];
    await saved.put(a);
    await saved.put(b);
    await saved.retain([b]);
    assertEquals(saved.list().map((pod) => pod.metadata.name), ["b"]);
  }));

Deno.test("a write that was cut short leaves what was there", () =>
  inDirectory(async (directory, files) => {
    const saved = new SavedObjects<Pod>(directory, files, LOG);
    await saved.open();
    await saved.put(aPod({ name: "a" }));
    await Deno.writeTextFile(`${directory}/default_a.json.0011.new`, "{");
    const again = new SavedObjects<Pod>(directory, files, LOG);
    await again.open();
    equal(again.list().length, 1);
  }));

Deno.test("statuses are written once for many changes, and what is wanted at once", () =>
  inDirectory(async (directory, files) => {
    const saved = new SavedObjects<Pod>(directory, files, LOG);
    await saved.open();
    const onDisk = async () =>
      (JSON.parse(await Deno.readTextFile(`${directory}/default_a.json`)) as { object: Pod }).object;
    const pod = aPod({ name: "a" });
    await saved.put(pod);
    for (const [at, phase] of (["Pending", "Running", "Failed"] as const).entries()) {
      await saved.put({ ...pod, metadata: { ...pod.metadata, resourceVersion: `${at + 10}` }, status: { phase } });
      equal(saved.get("default", "a")?.status?.phase, phase, "whoever asks hears it at once");
    }
    equal((await onDisk()).status?.phase, pod.status?.phase);
    await saved.flush();
    equal((await onDisk()).status?.phase, "Failed");
    const deleted = { ...pod.metadata, resourceVersion: "20", deletionTimestamp: "2026-01-01T00:00:00Z" };
    await saved.put({ ...pod, metadata: deleted });
    equal((await onDisk()).metadata.deletionTimestamp, "2026-01-01T00:00:00Z");
  }));

Deno.test("a full disk keeps a pod from beginning, and not from ending", () =>
  inDirectory(async (directory, files) => {
    let isFull = false;
    const full: Files = {
      changeFiles: (request) =>
        isFull ? Promise.reject(new Error("No space left on device")) : files.changeFiles(request),
    };
    const saved = new SavedObjects<Pod>(directory, full, LOG);
    await saved.open();
    const pod = aPod({ name: "a" });
    await saved.put(pod);
    const told: (string | undefined)[] = [];
    saved.onChange(({ object }) => told.push(object.metadata.deletionTimestamp));
    isFull = true;
    const at = "2026-01-01T00:00:00Z";
    await rejects(saved.put(aPod({ name: "new" })), /No space left/);
    await rejects(saved.put({ ...pod, metadata: { ...pod.metadata, resourceVersion: "2", labels: { a: "b" } } }));
    const ending = { ...pod, metadata: { ...pod.metadata, resourceVersion: "3", deletionTimestamp: at } };
    await saved.put(ending);
    assertEquals(told, [at]);
    isFull = false;
    await saved.flush();
    const again = new SavedObjects<Pod>(directory, files, LOG);
    await again.open();
    assertEquals(again.list().map(({ metadata }) => [metadata.name, metadata.deletionTimestamp]), [["a", at]]);
  }));

Deno.test("what comes together is written together, and one that cannot be written keeps no other from it", () =>
  inDirectory(async (directory, files) => {
    let calls = 0;
    const counted: Files = {
      changeFiles: (request) => {
        calls++;
        return files.changeFiles(request);
      },
    };
    const saved = new SavedObjects<Pod>(directory, counted, LOG);
    await saved.open();
    const names = Array.from({ length: 10 }, (_, at) => `pod-${at}`);
    await Promise.all(names.map((name) => saved.put(aPod({ name }))));
    equal(calls, 1);
    await Deno.mkdir(`${directory}/default_taken.json`);
    const results = await Promise.allSettled([
      saved.put(aPod({ name: "taken" })),
      saved.put(aPod({ name: "free" })),
      saved.remove(aPod({ name: "pod-0" })),
    ]);
    assertEquals(results.map(({ status }) => status), ["rejected", "fulfilled", "fulfilled"]);
    await Deno.remove(`${directory}/default_taken.json`);
    const again = new SavedObjects<Pod>(directory, files, LOG);
    await again.open();
    assertEquals(again.list().map(({ metadata }) => metadata.name), ["free", ...names.slice(1)]);
  }));

Deno.test("an object whose file a loss of power has cut short is had from the server again", () =>
  inDirectory(async (directory, files) => {
    const saved = new SavedObjects<Pod>(directory, files, LOG);
    await saved.open();
    const pod = aPod({ name: "a" });
    for (const one of [pod, aPod({ name: "b" })]) await saved.put(one);
    for (const content of ["", '{"version":1,"obj', "\0\0"]) {
      await Deno.writeTextFile(`${directory}/default_a.json`, content);
      const again = new SavedObjects<Pod>(directory, files, LOG);
      await again.open();
      assertEquals(again.list().map(({ metadata }) => metadata.name), ["b"]);
      assertEquals([...Deno.readDirSync(directory)].map(({ name }) => name), ["default_b.json"]);
      await again.put(pod);
      equal(again.list().length, 2);
    }
  }));
