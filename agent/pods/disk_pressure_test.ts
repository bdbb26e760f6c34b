import { deepEqual as assertEquals, equal, match } from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { createLog } from "@k3ts/client/telemetry";
import { aPod } from "@k3ts/model/testing";
import { MeasureDiskResponseSchema } from "@k3ts/proto";
import { pathsOf } from "../paths.ts";
import { chooseEviction, type Holder, type PressureParts, watchDiskPressure } from "./disk_pressure.ts";
import type { ObservedContainer } from "./observed.ts";

const MIB = 2 ** 20;
const INODES = { capacity: 1_000_000, available: 900_000 };
const withBytes = (available: number) => ({
  bytes: { capacity: 1000 * MIB, available: available * MIB },
  inodes: INODES,
});
const FULL = withBytes(99);

/** @param held MiB, half of it in a volume */
function holder(
  uid: string,
  held: number,
  { request, priority, inodes = 1 }: { request?: string; priority?: number; inodes?: number } = {},
): Holder {
  const resources = request === undefined ? {} : { requests: { "ephemeral-storage": request } };
  const half = held * MIB / 2;
  return {
    pod: aPod({
      uid,
      spec: { containers: [{ name: "main", resources }], ...(priority !== undefined && { priority }) },
    }),
    use: { volumes: new Map([["v", half]]), containers: new Map([["main", half]]), inodes },
  };
}

const chosen = (...holders: Holder[]) => chooseEviction(holders, FULL)?.uid;

Deno.test("nobody is put out while there is room", () => {
  equal(chooseEviction([holder("a", 900)], withBytes(100)), undefined);
  equal(chooseEviction([], FULL), undefined);
});

Deno.test("who holds the most goes first, and nobody who holds too little for its end to help", () => {
  equal(chosen(holder("a", 30), holder("b", 50), holder("c", 40)), "b");
  equal(chosen(holder("a", 19), holder("b", 10)), undefined);
});

Deno.test("who holds more than it asked for goes before who does not, and the less important before the more", () => {
  equal(chosen(holder("asked", 500, { request: "600Mi" }), holder("greedy", 30)), "greedy");
  equal(chosen(holder("a", 400, { request: "390Mi" }), holder("b", 300, { request: "100Mi" })), "b");
  equal(chosen(holder("important", 500, { priority: 10 }), holder("not", 30)), "not");
  equal(chosen(holder("system", 500, { priority: 2_000_001_000 })), undefined);
});

Deno.test("why it was put out is told in the kubelet's words", () => {
  const { message } = chooseEviction([holder("a", 30, { request: "1Mi" })], FULL)!;
  match(
    message,
    /^The node was low on resource: ephemeral-storage\. Threshold quantity: 102400Ki, available: 101376Ki\. /,
  );
  match(message, /Container main was using 15360Ki, request is 1Mi, has larger consumption of ephemeral-storage\. $/);
});

Deno.test("where many share a disk that is nearly full the one that holds the most goes, however small its share", () => {
  const many = Array.from({ length: 48 }, (_, at) => holder(`p${at}`, 19.5 + (at === 7 ? 0.1 : 0)));
  equal(chooseEviction(many, withBytes(51)), undefined);
  equal(chooseEviction(many, withBytes(10))?.uid, "p7");
  equal(chooseEviction([...many, holder("tiny", 0.9, { priority: -1 })], withBytes(10))?.uid, "p7");
  equal(chooseEviction(many.slice(0, 4), withBytes(10)), undefined, "all together hold less than is missing");
});

Deno.test("where inodes are short who has the most files goes, whatever it has asked for of the disk", () => {
  const disk = { ...withBytes(500), inodes: { capacity: 1_000_000, available: 49_000 } };
  const [data, files] = [holder("data", 400), holder("files", 1, { request: "1Gi", inodes: 300_000 })];
  const chosen = chooseEviction([data, files], disk);
  equal(chosen?.uid, "files");
  equal(chosen?.message, "The node was low on resource: inodes. Threshold quantity: 50000, available: 49000. ");
  equal(chooseEviction([data, files], { ...disk, inodes: { capacity: 0, available: 0 } }), undefined);
  // Of the data nobody holds enough.
  equal(chooseEviction([files], { ...disk, bytes: FULL.bytes })?.uid, "files");
});

/** Pods "a" and "b" on a disk of 1 MiB that is full, but for what the test makes of it. */
async function onFullDisk(
  task: (world: { parts: PressureParts; evicted: string[]; ending: AbortController; ballast: string }) => Promise<void>,
) {
  const directory = await Deno.makeTempDir();
  const run = async (program: string, ...args: string[]) =>
    equal((await new Deno.Command(program, { args, stdout: "null", stderr: "null" }).output()).code, 0, program);
  await run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory);
  const ending = new AbortController();
  try {
    const ballast = `${directory}/ballast`;
    await Deno.writeFile(ballast, new Uint8Array(1_000_000));
    const evicted: string[] = [];
    const parts: PressureParts = {
      paths: pathsOf(directory),
      native: {
        measureDisk: ({ paths = [] }) =>
          Promise.resolve(
            create(MeasureDiskResponseSchema, { usages: paths.map(() => ({ bytes: 100_000n, inodes: 1n })) }),
          ),
      },
      table: {
        of: (uid) => [{ id: uid, container: "main", state: "running" } as ObservedContainer],
        directoryOf: (id) => `${directory}/${id}`,
      },
      pods: () => ["a", "b"].map((uid) => aPod({ uid, name: uid, spec: { containers: [{ name: "main" }] } })),
      evict: (uid) => void evicted.push(uid),
      makeRoom: () => Promise.resolve(),
      clock: { monotonic: () => 0 },
      lookMs: 1,
      log: createLog(() => {}, () => 0),
      signal: ending.signal,
    };
    await task({ parts, evicted, ending, ballast });
  } finally {
    ending.abort();
    await run("umount", directory);
    await Deno.remove(directory);
  }
}

const isRoot = Deno.uid() === 0;

Deno.test({
  name: "one that was put out is waited for, but one that does not leave keeps no other from it for ever",
  ignore: !isRoot,
  fn: () =>
    onFullDisk(async ({ parts, evicted, ending }) => {
      let looks = 0;
      let now = 0;
      const seen: string[][] = [];
      const makeRoom = () => Promise.resolve();
      // Each look asks for the pods once.
      const pods = () => {
        seen.push([...evicted]);
        looks++;
        if (looks === 5) now = 30_000;
        if (looks === 8) ending.abort();
        return parts.pods();
      };
      await watchDiskPressure({ ...parts, pods, makeRoom, clock: { monotonic: () => now } });
      assertEquals(seen.map((one) => one.join()), ["", "a", "a", "a", "a", "a,b", "a,b", "a,b"]);
    }),
});

Deno.test({
  name: "nobody is put out where what no pod needs makes room enough",
  ignore: !isRoot,
  fn: () =>
    onFullDisk(async ({ parts, evicted, ending, ballast }) => {
      let asked = 0;
      const makeRoom = async () => {
        asked++;
        await Deno.truncate(ballast, 1000);
      };
      let looks = 0;
      const pods = () => {
        if (++looks === 4) ending.abort();
        return parts.pods();
      };
      await watchDiskPressure({ ...parts, pods, makeRoom });
      assertEquals([asked, evicted], [1, []]);
    }),
});
