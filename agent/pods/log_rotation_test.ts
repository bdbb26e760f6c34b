import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { namesIn } from "../files.ts";
import { rotateIfLarge } from "./log_rotation.ts";

Deno.test("a log that is too large makes room, and only so many are kept", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/0.log`;
    const start = Date.parse("2026-01-01T00:00:00Z");
    for (let round = 0; round < 7; round++) {
      await Deno.writeTextFile(path, "x".repeat(100));
      equal(await rotateIfLarge(path, 100, start), false);
      await Deno.writeTextFile(path, "x".repeat(101));
      equal(await rotateIfLarge(path, 100, start + round * 1000), true);
    }
    const names = await namesIn(directory);
    assertEquals([names.length, names[0]], [4, "0.log.20260101000003000"]);
    equal(await rotateIfLarge(path, 100, start), false);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
