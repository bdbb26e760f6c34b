import { deepEqual, equal, rejects } from "node:assert/strict";
import type { Operation } from "@k3ts/ffi";
import { GroupCommit } from "./group_commit.ts";

const operation = (name: number, bytes = 1): Operation => ({
  do: "put",
  key: new Uint8Array([name]),
  value: new Uint8Array(bytes),
});

/** Takes commits, each of which ends when the test says so. */
function engine() {
  const commits: { names: number[]; done: PromiseWithResolvers<void> }[] = [];
  const arrived: (() => void)[] = [];
  return {
    commits,
    append(operations: readonly Operation[]): Promise<void> {
      const done = Promise.withResolvers<void>();
      commits.push({ names: operations.map(({ key }) => key[0]!), done });
      arrived.shift()?.();
      return done.promise;
    },
    next: () => new Promise<void>((resolve) => arrived.push(resolve)),
  };
}

const asItIs = (error: unknown) => error;

Deno.test("batches of one turn share a commit, and what comes meanwhile shares the next", async () => {
  const under = engine();
  const commit = new GroupCommit(under, asItIs);
  const first = [commit.add([operation(1)]), commit.add([operation(2)])];
  await under.next();
  const second = [commit.add([operation(3)]), commit.add([operation(4)])];
  const arrived = under.next();
  under.commits[0]!.done.resolve();
  await Promise.all([...first, arrived]);
  under.commits[1]!.done.resolve();
  await Promise.all(second);
  deepEqual(under.commits.map(({ names }) => names), [[1, 2], [3, 4]]);
});

Deno.test("a commit is not made larger than it should be by more than one batch", async () => {
  const under = engine();
  const commit = new GroupCommit(under, asItIs);
  const added = [1, 2, 3].map((name) => commit.add([operation(name, 5 * 1024 * 1024)]));
  for (const index of [0, 1, 2]) {
    await under.next();
    under.commits[index]!.done.resolve();
  }
  await Promise.all(added);
  deepEqual(under.commits.map(({ names }) => names), [[1], [2], [3]]);
});

Deno.test("after a failure that commit and all after it fail with the same error, and nothing more is written", async () => {
  const under = engine();
  const fault = new Error("disk gone");
  const commit = new GroupCommit(under, (error) => new Error("described", { cause: error }));
  const failed = [commit.add([operation(1)])];
  await under.next();
  failed.push(commit.add([operation(2)]));
  under.commits[0]!.done.reject(fault);
  const outcomes = await Promise.allSettled([...failed, ...failed.map(() => commit.add([operation(3)]))]);
  const reasons = new Set(outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason));
  equal(reasons.size, 1);
  await rejects(
    () => commit.add([operation(4)]),
    (error: Error) => error.message === "described" && error.cause === fault,
  );
  equal(under.commits.length, 1);
});
