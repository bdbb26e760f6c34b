import { deepEqual as assertEquals, rejects } from "node:assert/strict";
import { ApiError, type WatchEvent } from "@k3ts/client";
import { follow } from "./watch.ts";

interface Thing {
  revision: string;
}

/** Watches that yield these and then end or fail; the last goes on for ever. */
function watches(...scripts: (string | Error)[][]) {
  const opened: (string | undefined)[] = [];
  const open = async function* (revision: string | undefined): AsyncGenerator<WatchEvent<Thing>> {
    opened.push(revision);
    for (const step of scripts[opened.length - 1]!) {
      if (step instanceof Error) throw step;
      const [type, revision] = step.split(" ") as [WatchEvent<Thing>["type"], string];
      yield await Promise.resolve({ type, object: { revision }, traceparent: "" });
    }
  };
  return { opened, options: { open, revisionOf: ({ revision }: Thing) => revision, from: "5", retryMsMax: 0 } };
}

async function take(count: number, things: AsyncIterable<Thing>): Promise<string[]> {
  const taken: string[] = [];
  for await (const { revision } of things) if (taken.push(revision) === count) break;
  return taken;
}

Deno.test("a watch that ends, or whose server restarts, goes on where it was", async () => {
  const gone = new ApiError({ code: 503 });
  const { opened, options } = watches(["ADDED 6", "MODIFIED 7"], [gone], ["BOOKMARK 9", gone], ["DELETED 10"]);
  assertEquals(await take(3, follow(options)), ["6", "7", "10"]);
  assertEquals(opened, ["5", "7", "7", "9"]);
});

Deno.test("where history is gone, it begins with what is there", async () => {
  const { opened, options } = watches([new ApiError({ code: 410, reason: "Expired" })], ["ADDED 3"]);
  assertEquals(await take(1, follow(options)), ["3"]);
  assertEquals(opened, ["5", undefined]);
});

Deno.test("a refusal ends it", async () => {
  await rejects(
    take(1, follow(watches([new ApiError({ code: 403, reason: "Forbidden", message: "no" })]).options)),
    /no/,
  );
});
