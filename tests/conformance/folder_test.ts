import { deepEqual, equal } from "node:assert/strict";
import { RunFolder, unfinished } from "./folder.ts";
import { readHistory, writeHistory } from "./history.ts";
import { newestOutcomes, type Outcome, type Result } from "./outcome.ts";

const outcome = (name: string, at: string, verdict: Outcome["verdict"] = "passed"): Outcome => ({
  name,
  at,
  verdict,
  seconds: 1,
  commit: "abc",
});

const result = (started: string, given: Partial<Result> = {}): Result => ({
  selection: "--all",
  suite: "1.35.4",
  nodes: 2,
  parallel: 4,
  started,
  seconds: 0,
  served: [],
  tests: ["a", "b"],
  outcomes: [],
  ...given,
});

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a run that was cut off goes on with what it has", () =>
  inFolder(async (parent) => {
    const run = await RunFolder.make(parent, result("2026-11-20T12:00:00.000Z"));
    run.result.outcomes.push(outcome("a", "2026-11-20T12:01:00Z"));
    await run.save();
    const found = unfinished(await RunFolder.all(parent), "--all", "1.35.4");
    deepEqual(found?.result.outcomes.map(({ name }) => name), ["a"]);
    equal(unfinished(await RunFolder.all(parent), "--sample 60", "1.35.4"), undefined);
    equal(unfinished(await RunFolder.all(parent), "--all", "1.36.0"), undefined);
  }));

Deno.test("tests that end at once are all kept", () =>
  inFolder(async (parent) => {
    const run = await RunFolder.make(parent, result("2026-11-20T12:00:00.000Z"));
    await Promise.all(Array.from({ length: 20 }, (_, number) => {
      run.result.outcomes.push(outcome(`t${number}`, "2026-11-20T12:01:00Z"));
      return run.save();
    }));
    equal((await RunFolder.all(parent))[0]!.result.outcomes.length, 20);
  }));

Deno.test("a run that was finished since is not gone on with", () =>
  inFolder(async (parent) => {
    await RunFolder.make(parent, result("2026-11-20T12:00:00.000Z"));
    const finished = "2026-11-20T13:10:00Z";
    await RunFolder.make(parent, result("2026-11-20T13:00:00.000Z", { finished }));
    equal(unfinished(await RunFolder.all(parent), "--all", "1.35.4"), undefined);
  }));

Deno.test("the oldest runs go", () =>
  inFolder(async (parent) => {
    for (let minute = 10; minute < 35; minute++) {
      await RunFolder.make(parent, result(`2026-11-20T12:${minute}:00.000Z`));
    }
    const kept = await RunFolder.all(parent);
    equal(kept.length, 20);
    equal(kept[0]!.result.started, "2026-11-20T12:15:00.000Z");
  }));

Deno.test("history keeps outcomes without what is on one machine only", () =>
  inFolder(async (folder) => {
    const outcomes = [
      { ...outcome("b", "2026-11-20T12:01:00Z", "failed"), message: "x".repeat(5_000), log: "logs/001.txt" },
      outcome("a", "2026-11-20T12:02:00Z"),
    ];
    const path = await writeHistory(result("2026-11-20T12:00:00.000Z", { outcomes }), folder);
    equal(path, `${folder}/20261120T120000Z-all.json`);
    const [read] = await readHistory(folder);
    deepEqual(read!.outcomes.map(({ name, log, message }) => [name, log, message?.length]), [
      ["a", undefined, undefined],
      ["b", undefined, 400],
    ]);
  }));

Deno.test("of several outcomes of a test the newest counts, in whatever order the runs are", () => {
  const [old, new_] = [outcome("a", "2026-11-20T12:00:00Z", "failed"), outcome("a", "2026-11-20T13:00:00Z")];
  for (const order of [[old, new_], [new_, old]]) {
    const results = order.map((only) => result(only.at, { outcomes: [only] }));
    equal(newestOutcomes(results).get("a")?.verdict, "passed");
  }
});
