import { deepEqual, equal, ok } from "node:assert/strict";
import { FakeClock } from "@k3ts/model/testing";
import { type ConfigMap, type Event, resources } from "@k3ts/model/objects";
import { testCluster } from "../testing/mod.ts";
import { eventRecorder } from "./events.ts";

async function recorded(tell: (record: (message: string) => void, clock: FakeClock) => void): Promise<Event[]> {
  const clock = new FakeClock();
  await using cluster = await testCluster({ clock });
  const about = await cluster.clients.of<ConfigMap>(resources.configmaps).create({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "a", namespace: "default" },
  });
  const errors: Error[] = [];
  const recorder = eventRecorder({
    clients: cluster.clients,
    component: "test",
    clock,
    onError: (error) => errors.push(error),
    signal: cluster.signal,
  });
  const told = new Set<string>();
  const record = (message: string) => {
    told.add(message);
    recorder.record({ about, resource: resources.configmaps, type: "Normal", reason: "Said", message });
  };
  tell(record, clock);
  record("the end");
  const events = await cluster.untilAll<Event>(
    resources.events,
    "default",
    (all) => all.some(({ message }) => message === "the end" || message === "(combined from similar events)"),
  );
  deepEqual(errors, []);
  return events;
}

Deno.test("the same thing told again counts up the event that exists", async () => {
  const events = await recorded((record) => {
    for (let i = 0; i < 5; i++) record("again");
  });
  const again = events.find(({ message }) => message === "again");
  equal(again?.count, 5);
  deepEqual(again.involvedObject.kind, "ConfigMap");
  equal(events.length, 2);
});

Deno.test("many things that differ in their message alone become one", async () => {
  const events = await recorded((record) => {
    for (let i = 0; i < 14; i++) record(`message ${i}`);
  });
  equal(events.length, 11);
  equal(events.find(({ message }) => message === "(combined from similar events)")?.count, 5);
});

Deno.test("a clock that is set ahead lets nothing through, and one that is set back holds nothing up", async () => {
  const events = await recorded((record, clock) => {
    for (let i = 0; i < 100; i++) record("flood");
    clock.jump(7_200_000);
    record("ahead");
    clock.jump(-14_400_000);
    clock.advance(300_000);
  });
  equal(events.find(({ message }) => message === "ahead"), undefined);
  ok(events.some(({ message }) => message === "the end"));
});

Deno.test("of one object so much is told at once, and later a little more", async () => {
  const events = await recorded((record, clock) => {
    for (let i = 0; i < 100; i++) record("flood");
    clock.advance(300_000);
  });
  equal(events.find(({ message }) => message === "flood")?.count, 25);
  ok(events.some(({ message }) => message === "the end"));
});
