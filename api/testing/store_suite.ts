/**
 * What every Store backend must do, as tests. A backend's own test file calls {@link storeSuite} with a
 * function that makes an empty store.
 */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import fc from "fast-check";
import {
  type Batch,
  type Change,
  type Entry,
  Expired,
  Fenced,
  LIMITS,
  type Revision,
  type Store,
  type StoreReader,
  type StoreWriter,
} from "../store/store.ts";

/** An empty store of a backend, and the way to be rid of it. */
export interface StoreUnderTest extends AsyncDisposable {
  store: Store;
}

const encoder = new TextEncoder();
const never = new AbortController().signal;

/** Registers the suite's tests with `Deno.test`, each under `name`, each on a store of its own from `open`. */
export function storeSuite(name: string, open: () => Promise<StoreUnderTest>): void {
  const test = (sentence: string, run: (store: Store) => Promise<void>) =>
    Deno.test(`${name}: ${sentence}`, async () => {
      await using under = await open();
      await run(under.store);
    });

  test("an empty store loads as one page without entries", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    const pages = await Array.fromAsync(writer.load());
    deepEqual(pages, [{ entries: [], revision: 0 }]);
  });

  test("what was appended is loaded in key order with its revision", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    await writer.append({ changes: [put("b", 1), put("a", 2), put("c/d", 3)] });
    const { entries, revision } = await loaded(writer);
    deepEqual(entries.map((entry) => [entry.key, entry.revision]), [["a", 2], ["b", 1], ["c/d", 3]]);
    deepEqual(entries.map((entry) => new TextDecoder().decode(entry.value)), ["a@2", "b@1", "c/d@3"]);
    equal(revision, 3);
  });

  test("the revision outlives everything that was written", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    await writer.append({ changes: [put("a", 1), remove("a", 2)] });
    await writer.compact(3);
    deepEqual(await loaded(writer), { entries: [], revision: 2 });
  });

  test("everything is found again by the next writer, and the epoch has grown", async (store) => {
    let epoch: number;
    {
      await using writer = await store.openWriter({ name: "a" }, never);
      await writer.append({ changes: [put("a", 1, 77)] });
      await writer.append({ changes: [put("b", 2), remove("a", 3), put("a", 4)] });
      epoch = writer.epoch;
    }
    await using writer = await store.openWriter({ name: "b" }, never);
    ok(writer.epoch > epoch, `epoch ${writer.epoch} after ${epoch}`);
    const { entries, revision } = await loaded(writer);
    deepEqual(entries.map((entry) => [entry.key, entry.revision, entry.expiresAt]), [
      ["a", 4, undefined],
      ["b", 2, undefined],
    ]);
    equal(revision, 4);
    deepEqual(revisions(await changed(writer, 0)), [1, 2, 3, 4]);
    await writer.append({ changes: [put("c", 5)] });
    equal((await loaded(writer)).revision, 5);
  });

  test("the cluster's name is the same for every reader and writer", async (store) => {
    await using first = await store.openWriter({ name: "a" }, never);
    await first.append({ changes: [put("a", 1)] });
    await using reader = await store.openReader(never);
    await using second = await store.openWriter({ name: "b" }, never);
    ok(first.cluster.length > 0);
    deepEqual([reader.cluster, second.cluster], [first.cluster, first.cluster]);
  });

  test("changes come in order and end there, deletions with the last state", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    await writer.append({ changes: [put("a", 1), put("b", 2)] });
    await writer.append({ changes: [remove("a", 3)] });
    const changes = await changed(writer, 1);
    deepEqual(changes.map((change) => [change.type, change.key, change.revision]), [["put", "b", 2], [
      "delete",
      "a",
      3,
    ]]);
    equal(new TextDecoder().decode(changes[1]!.value), "a@3");
    deepEqual(await changed(writer, 3), []);
  });

  test("a compacted history is refused, and what stays is whole", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    for (const revision of [1, 2, 3, 4]) await writer.append({ changes: [put(`k${revision % 2}`, revision)] });
    await writer.compact(3);
    await rejects(() => changed(writer, 1), Expired);
    deepEqual(revisions(await changed(writer, 2)), [3, 4]);
    deepEqual((await loaded(writer)).entries.map((entry) => [entry.key, entry.revision]), [["k0", 4], ["k1", 3]]);
  });

  test("compaction is remembered by the next writer", async (store) => {
    {
      await using writer = await store.openWriter({ name: "a" }, never);
      for (const revision of [1, 2, 3]) await writer.append({ changes: [put("k", revision)] });
      await writer.compact(3);
    }
    await using writer = await store.openWriter({ name: "b" }, never);
    await rejects(() => changed(writer, 1), Expired);
    deepEqual(revisions(await changed(writer, 2)), [3]);
  });

  test("newest states stay when all history is compacted", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    await writer.append({ changes: [put("a", 1), put("b", 2)] });
    await writer.compact(100);
    deepEqual((await loaded(writer)).entries.map((entry) => entry.key), ["a", "b"]);
    await writer.append({ changes: [put("c", 3)] });
    deepEqual(revisions(await changed(writer, 2)), [3]);
  });

  test("a second writer fences the first for ever", async (store) => {
    await using first = await store.openWriter({ name: "a" }, never);
    await first.append({ changes: [put("a", 1)] });
    await using second = await store.openWriter({ name: "b" }, never);
    await second.append({ changes: [put("b", 2)] });
    await rejects(() => first.append({ changes: [put("a", 2)] }), Fenced);
    await rejects(() => first.append({ changes: [put("a", 3)] }), Fenced);
    await second.append({ changes: [put("c", 3)] });
    deepEqual((await loaded(second)).entries.map((entry) => entry.key), ["a", "b", "c"]);
  });

  test("appends under way are carried out in the order of the calls", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    const done: number[] = [];
    await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        writer.append({ changes: [put("k", index + 1)] }).then(() => {
          done.push(index + 1);
        })),
    );
    deepEqual(revisions(await changed(writer, 0)), Array.from({ length: 64 }, (_, index) => index + 1));
    equal((await loaded(writer)).entries[0]!.revision, 64);
    equal(done.length, 64);
  });

  test("what has expired is still there until it is deleted", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    await writer.append({ changes: [put("a", 1, 1000), put("b", 2, 2_000_000_000_000)] });
    const { entries } = await loaded(writer);
    deepEqual(entries.map((entry) => [entry.key, entry.expiresAt]), [["a", 1000], ["b", 2_000_000_000_000]]);
  });

  test("a batch that may be lost is a batch like any other while the process lives", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    await writer.append({ changes: [put("lease", 1)], mayBeLost: true });
    await writer.append({ changes: [put("a", 2)] });
    deepEqual(revisions(await changed(writer, 0)), [1, 2]);
  });

  test("a reader loads the last acknowledged batch", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    await writer.append({ changes: [put("a", 1), put("b", 2)] });
    await using reader = await store.openReader(never);
    const { entries, revision } = await loaded(reader);
    deepEqual([entries.map((entry) => entry.key), revision], [["a", "b"], 2]);
    deepEqual(revisions(await changed(reader, 1)), [2]);
  });

  test("keys, values and batches of the greatest size are taken", async (store) => {
    await using writer = await store.openWriter({ name: "a" }, never);
    const key = "k".repeat(LIMITS.keyBytesMax);
    const value = new Uint8Array(LIMITS.valueBytesMax).map((_, index) => index * 31);
    await writer.append({ changes: [{ type: "put", key, value, revision: 1 }] });
    const many = Array.from({ length: LIMITS.batchChangesMax }, (_, index) => put(`n/${index}`, index + 2));
    await writer.append({ changes: many });
    const { entries, revision } = await loaded(writer);
    equal(entries.length, LIMITS.batchChangesMax + 1);
    equal(revision, LIMITS.batchChangesMax + 1);
    const found = entries.find((entry) => entry.key === key);
    ok(found !== undefined && equalBytes(found.value, value));
  });

  test("opening ends when told to", async (store) => {
    await rejects(() => store.openWriter({ name: "a" }, AbortSignal.abort(new Error("told to"))));
    await rejects(() => store.openReader(AbortSignal.abort(new Error("told to"))));
  });

  Deno.test(`${name}: whatever is written, reopened and compacted, a store equals a plain map and list`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryStep(), { maxLength: 24 }), async (steps) => {
        await using under = await open();
        await followSteps(under.store, steps);
      }),
      { numRuns: 25 },
    );
  });
}

type Step =
  | { do: "append"; writes: { key: string; remove: boolean }[] }
  | { do: "reopen" }
  | { do: "compact"; keep: number };

function arbitraryStep(): fc.Arbitrary<Step> {
  const key = fc.constantFrom("a", "b", "b/c", "d", "d/e/f", "é");
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("append" as const),
        writes: fc.array(fc.record({ key, remove: fc.boolean() }), { minLength: 1, maxLength: 6 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("compact" as const), keep: fc.nat(5) }) },
  );
}

/** Does the steps to a store and to a map and a list, and compares them after each. */
async function followSteps(store: Store, steps: Step[]): Promise<void> {
  const newest = new Map<string, Revision>();
  const history: Change[] = [];
  let begin = 1;
  let writer = await store.openWriter({ name: "first" }, never);
  try {
    for (const step of steps) {
      if (step.do === "append") {
        const changes = step.writes.map(({ key, remove: gone }, index) =>
          gone ? remove(key, history.length + 1 + index) : put(key, history.length + 1 + index)
        );
        const batch: Batch = { changes };
        await writer.append(batch);
        history.push(...changes);
        for (const change of changes) {
          if (change.type === "put") newest.set(change.key, change.revision);
          else newest.delete(change.key);
        }
      } else if (step.do === "compact") {
        begin = Math.max(begin, history.length + 1 - step.keep);
        await writer.compact(begin);
      } else {
        await writer[Symbol.asyncDispose]();
        writer = await store.openWriter({ name: "next" }, never);
      }
      const { entries, revision } = await loaded(writer);
      deepEqual(new Map(entries.map((entry) => [entry.key, entry.revision])), newest);
      equal(revision, history.length);
      deepEqual(revisions(await changed(writer, begin - 1)), revisions(history.slice(begin - 1)));
      if (begin > 1) await rejects(() => changed(writer, begin - 2), Expired);
    }
  } finally {
    await writer[Symbol.asyncDispose]();
  }
}

function put(key: string, revision: Revision, expiresAt?: number): Change {
  const value = encoder.encode(`${key}@${revision}`);
  return { type: "put", key, value, revision, ...(expiresAt !== undefined && { expiresAt }) };
}

function remove(key: string, revision: Revision): Change {
  return { type: "delete", key, value: encoder.encode(`${key}@${revision}`), revision };
}

async function loaded(reader: StoreReader): Promise<{ entries: Entry[]; revision: Revision }> {
  const pages = await Array.fromAsync(reader.load());
  ok(pages.length > 0, "load yields at least one page");
  const revision = pages[0]!.revision;
  ok(pages.every((page) => page.revision === revision), "all pages are of one revision");
  return { entries: pages.flatMap((page) => page.entries), revision };
}

async function changed(reader: StoreReader | StoreWriter, after: Revision): Promise<Change[]> {
  return (await Array.fromAsync(reader.changes(after))).flat();
}

function revisions(changes: Change[]): Revision[] {
  return changes.map((change) => change.revision);
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
