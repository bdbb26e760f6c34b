import { deepEqual as assertEquals } from "node:assert/strict";
import { pressuresOf, PressureWatch, readHeadroom } from "./pressure.ts";

const PLENTY = { memoryBytes: 2 ** 30, disk: 0.5, inodes: 0.5, processes: 0.9 };

Deno.test("a machine with room has no pressure, and each shortage has its own", () => {
  assertEquals(pressuresOf(PLENTY), []);
  assertEquals(pressuresOf({ ...PLENTY, memoryBytes: 2 ** 20 }), ["MemoryPressure"]);
  assertEquals(pressuresOf({ ...PLENTY, disk: 0.09 }), ["DiskPressure"]);
  assertEquals(pressuresOf({ ...PLENTY, inodes: 0.01 }), ["DiskPressure"]);
  assertEquals(pressuresOf({ ...PLENTY, processes: 0.05 }), ["PIDPressure"]);
});

Deno.test("a pressure is told of for five minutes after it was last felt", () => {
  const watch = new PressureWatch();
  assertEquals([...watch.look({ ...PLENTY, disk: 0 }, 0)], ["DiskPressure"]);
  assertEquals([...watch.look(PLENTY, 299_000)], ["DiskPressure"]);
  assertEquals([...watch.look(PLENTY, 300_000)], []);
});

Deno.test("this machine has something left of everything", () => {
  for (const [what, left] of Object.entries(readHeadroom("/tmp"))) {
    if (!(left > 0)) throw new Error(`${what} is ${left}`);
  }
});
