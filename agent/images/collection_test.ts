import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { createLog } from "@k3ts/client/telemetry";
import fc from "fast-check";
import { type CollectedImage, type CollectionParts, ImageCollector, LIMITS, planCollection } from "./collection.ts";

const NOW = 1_000_000_000;
const image = (id: string, over: Partial<CollectedImage> = {}): CollectedImage => ({
  id,
  sizeBytes: 10,
  inUse: false,
  usedAt: NOW - 600_000,
  seenAt: NOW - 600_000,
  ...over,
});
const disk = (usedPercent: number) => ({ capacityBytes: 1000, availableBytes: 1000 - usedPercent * 10 });

Deno.test("while there is room everything stays", () => {
  assertEquals(planCollection([image("a")], disk(84), NOW), { remove: [], missingBytes: 0 });
});

Deno.test("what was not used for longest goes first, and no more than is needed", () => {
  const images = [image("new", { usedAt: NOW - 1 }), image("old", { usedAt: 0 }), image("older", { usedAt: -1 })];
  assertEquals(planCollection(images, disk(82), NOW).remove, []);
  const limits = { ...LIMITS, highPercent: 81 };
  assertEquals(planCollection(images, disk(82), NOW, limits), { remove: ["older", "old"], missingBytes: 0 });
});

Deno.test("what is in use, or has just come, stays whatever happens", () => {
  const images = [image("used", { inUse: true }), image("fresh", { seenAt: NOW - 1000 }), image("a")];
  assertEquals(planCollection(images, disk(99), NOW), { remove: ["a"], missingBytes: 180 });
});

Deno.test("what nobody has used for long goes though there is room", () => {
  const limits = { ...LIMITS, ageMsMax: 3_600_000 };
  const images = [image("a", { usedAt: NOW - 3_600_001 }), image("b")];
  assertEquals(planCollection(images, disk(10), NOW, limits).remove, ["a"]);
});

Deno.test("whatever there is, nothing in use goes, nothing goes twice, and what goes was needed", () => {
  const arbitrary = fc.array(
    fc.record({
      sizeBytes: fc.integer({ min: 1, max: 200 }),
      inUse: fc.boolean(),
      usedAt: fc.integer({ min: NOW - 1e7, max: NOW }),
      seenAt: fc.integer({ min: NOW - 1e7, max: NOW }),
    }),
    { maxLength: 12 },
  );
  fc.assert(fc.property(arbitrary, fc.integer({ min: 0, max: 100 }), (rows, percent) => {
    const images = rows.map((row, at) => ({ id: String(at), ...row }));
    const { remove } = planCollection(images, disk(percent), NOW);
    assert(new Set(remove).size === remove.length);
    assert(remove.every((id) => !images[Number(id)]!.inUse));
    const needed = percent < 85 ? 0 : 200 - (1000 - percent * 10);
    const freed = remove.map((id) => images[Number(id)]!.sizeBytes);
    const last = freed.at(-1) ?? 0;
    assert(freed.reduce((sum, size) => sum + size, 0) - last < Math.max(needed, 1));
  }));
});

Deno.test({
  name: "on a disk that is full what nobody uses goes, and what a pod has come to use meanwhile stays",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const directory = await Deno.makeTempDir();
    const run = async (...words: [string, ...string[]]) => {
      const [program, ...args] = words;
      equal((await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output()).code, 0, program);
    };
    await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory);
    const ending = new AbortController();
    try {
      const mine = ["old", "used", "late"];
      for (const id of mine) await Deno.writeFile(`${directory}/${id}`, new Uint8Array(300_000));
      let passed = 0;
      let looks = 0;
      const removed = Promise.withResolvers<string[]>();
      const collecting = new ImageCollector({
        images: {
          index: { list: () => mine.map((id) => ({ id, sizeBytes: 60_000 })) },
          remove: (ids: ReadonlySet<string>) => Promise.resolve(removed.resolve([...ids])),
        } as unknown as CollectionParts["images"],
        directory,
        // An image is too young to go at the first look; one is wanted when it is about to go.
        used: () => new Set(++looks < 3 ? ["used"] : ["used", "late"]),
        clock: { monotonic: () => passed += LIMITS.ageMsMin * 0.4 },
        lookMs: 5,
        log: createLog(() => {}, () => 0),
        signal: ending.signal,
      }).keep();
      assertEquals(await removed.promise, ["old"]);
      ending.abort();
      await collecting;
    } finally {
      ending.abort();
      await run("umount", directory);
      await Deno.remove(directory);
    }
  },
});

Deno.test("where room is needed at once, all goes that nobody uses and that has not just come", async () => {
  const directory = await Deno.makeTempDir();
  let now = NOW;
  const removed: string[] = [];
  const mine = ["a", "b", "used"];
  const collector = new ImageCollector({
    images: {
      index: { list: () => mine.map((id) => ({ id, sizeBytes: 1 })) },
      remove: (ids: ReadonlySet<string>) => Promise.resolve(void removed.push(...ids)),
    } as unknown as CollectionParts["images"],
    directory,
    used: () => new Set(["used"]),
    clock: { monotonic: () => now },
    log: createLog(() => {}, () => 0),
    signal: new AbortController().signal,
  });
  await collector.makeRoom();
  assertEquals(removed, []);
  mine.push("fresh");
  now += LIMITS.ageMsMin - 1;
  await collector.makeRoom();
  assertEquals(removed, []);
  now += 1;
  await collector.makeRoom();
  assertEquals(removed, ["a", "b"]);
  await Deno.remove(directory);
});
