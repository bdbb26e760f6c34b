import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { ApiError, type ResourceClient } from "@k3ts/client";
import { createLog } from "@k3ts/client/telemetry";
import type { Pod } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { StatusOutbox } from "./status_outbox.ts";

const QUIET = createLog(() => {}, () => 0);

/** A server with one pod, which notes what is written to it. */
function serverWith(stored: Pod, refuse: (tries: number) => ApiError | undefined = () => undefined) {
  const written: (string | undefined)[] = [];
  let tries = 0;
  const client = {
    get: () => Promise.resolve(stored),
    updateStatus: (pod: Pod) => {
      const error = refuse(++tries);
      if (error !== undefined) return Promise.reject(error);
      written.push(pod.status?.phase);
      return Promise.resolve(pod);
    },
  } as unknown as ResourceClient<Pod>;
  return { client, written };
}

async function until(holds: () => boolean): Promise<void> {
  for (let looks = 0; !holds(); looks++) {
    assert(looks < 1000, "it never came to be");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("only the newest status of a pod waits for the server", async () => {
  const outbox = new StatusOutbox(QUIET);
  const pod = aPod({ name: "web" });
  outbox.put(pod, { phase: "Running" });
  outbox.put(pod, { phase: "Failed" });
  const { client, written } = serverWith(pod);
  outbox.connect(client, new AbortController().signal);
  await until(() => written.length > 0);
  assertEquals(written, ["Failed"]);
});

Deno.test("what the server knows already is not said again", async () => {
  const outbox = new StatusOutbox(QUIET);
  const pod = aPod({ name: "web", phase: "Running" });
  const { client, written } = serverWith(pod);
  outbox.connect(client, new AbortController().signal);
  outbox.put(pod, { ...pod.status });
  // Sent in order: had the first been sent, it would stand before this one.
  outbox.put(pod, { phase: "Failed" });
  await until(() => written.length > 0);
  assertEquals(written, ["Failed"]);
});

Deno.test("a conflict is settled on what the server has now; another pod of that name is left alone", async () => {
  const conflict = () => new ApiError({ code: 409, reason: "Conflict" });
  const pod = aPod({ name: "web", uid: "one" });
  const same = serverWith(pod, (tries) => (tries === 1 ? conflict() : undefined));
  const outbox = new StatusOutbox(QUIET);
  outbox.connect(same.client, new AbortController().signal);
  await outbox.send(pod, { phase: "Running" });
  assertEquals(same.written, ["Running"]);
  const other = serverWith(aPod({ name: "web", uid: "two" }), (tries) => (tries === 1 ? conflict() : undefined));
  const second = new StatusOutbox(QUIET);
  second.connect(other.client, new AbortController().signal);
  await second.send(pod, { phase: "Running" });
  assertEquals(other.written, []);
});

Deno.test("a pod that is gone needs no status", async () => {
  const { client, written } = serverWith(aPod(), () => new ApiError({ code: 404, reason: "NotFound" }));
  const outbox = new StatusOutbox(QUIET);
  outbox.connect(client, new AbortController().signal);
  await outbox.send(aPod(), { phase: "Failed" });
  equal(written.length, 0);
});

Deno.test("a pod that comes up at once is told of once, and one that does not in time", async () => {
  const outbox = new StatusOutbox(QUIET);
  const told: string[] = [];
  const client = {
    updateStatus: (pod: Pod) => {
      told.push(`${pod.metadata.name} ${pod.status?.phase} ${pod.status?.hostIP}`);
      return Promise.resolve(pod);
    },
  } as unknown as ResourceClient<Pod>;
  outbox.connect(client, new AbortController().signal);
  const [slow, fast, ending] = ["slow", "fast", "ending"].map((name) => aPod({ name })) as [Pod, Pod, Pod];
  ending.metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  for (const hostIP of ["10.0.0.1", "10.0.0.2"]) {
    outbox.put(slow, { phase: "Pending", hostIP });
    outbox.put(fast, { phase: "Pending", hostIP });
  }
  outbox.put(fast, { phase: "Running", hostIP: "10.0.0.2" });
  outbox.put(ending, { phase: "Pending", hostIP: "10.0.0.3" });
  await until(() => told.length === 3);
  assertEquals(told, ["fast Running 10.0.0.2", "ending Pending 10.0.0.3", "slow Pending 10.0.0.2"]);
});
