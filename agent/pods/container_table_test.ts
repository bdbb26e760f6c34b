import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { FakeClock } from "@k3ts/model/testing";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type ContainerStateSchema, ContainerStatus, ListContainersResponseSchema } from "@k3ts/proto";
import { ContainerTable } from "./container_table.ts";
import type { ContainerRecord } from "./observed.ts";

type State = MessageInitShape<typeof ContainerStateSchema>;

const record = (id: string): ContainerRecord => ({
  id,
  podUid: "u",
  container: "main",
  kind: "app",
  attempt: 0,
  image: "demo:1",
  imageId: "i",
  createdAt: 1000,
});

async function withTable(
  task: (
    table: ContainerTable,
    say: (...states: State[]) => void,
    again: () => Promise<ContainerTable>,
    clock: FakeClock,
  ) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir();
  const clock = new FakeClock(10_000);
  let states: State[] = [];
  const runtime = {
    listContainers: () => Promise.resolve(create(ListContainersResponseSchema, { containers: states })),
  };
  const make = async () => {
    const table = new ContainerTable(
      directory,
      runtime,
      (_, code) => Promise.resolve(code === 0 ? undefined : "last words"),
      clock,
    );
    await table.open();
    return table;
  };
  try {
    await task(await make(), (...said) => states = said, make, clock);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("a container runs and ends as the runtime says", () =>
  withTable(async (table, say) => {
    await table.add(record("a"));
    table.markMade("a");
    say({ id: "a", status: ContainerStatus.RUNNING, startedAt: "1970-01-01T00:00:02Z" });
    await table.refresh();
    const [running] = table.of("u");
    assertEquals([running?.state, running?.startedAt], ["running", 2000]);
    say({
      id: "a",
      status: ContainerStatus.EXITED,
      exitCode: 3,
      startedAt: "1970-01-01T00:00:02Z",
      finishedAt: "1970-01-01T00:00:05Z",
    });
    await table.refresh();
    const [ended] = table.of("u");
    assertEquals(ended?.exit, { code: 3, signal: 0, oomKilled: false, finishedAt: 5000, message: "last words" });
  }));

Deno.test("what is being made is not taken for lost", () =>
  withTable(async (table) => {
    await table.add(record("a"));
    await table.refresh();
    equal(table.of("u")[0]?.state, "created");
  }));

Deno.test("what the agent before this one never finished has ended", () =>
  withTable(async (table, _, again) => {
    await table.add(record("a"));
    const [found] = (await again()).of("u");
    assertEquals([found?.state, found?.exit?.code], ["exited", 128]);
  }));

Deno.test("what is retired is remembered without the runtime, also after a restart", () =>
  withTable(async (table, say, again, clock) => {
    await table.add(record("a"));
    table.markMade("a");
    say({
      id: "a",
      status: ContainerStatus.EXITED,
      exitCode: 0,
      finishedAt: "1970-01-01T00:00:05Z",
      startedAt: "1970-01-01T00:00:02Z",
    });
    await table.refresh();
    await table.markStopping("a");
    clock.advance(1_000);
    await table.markStopping("a");
    say();
    await table.markRetired("a");
    const [found] = (await again()).of("u");
    assertEquals([found?.state, found?.startedAt, found?.exit?.finishedAt], ["retired", 2000, 5000]);
    assertEquals([found?.stoppingSince, found?.endedAt], [0, -5000]);
  }));

Deno.test("a grace goes on as it began however the clock is set, and anew where that was while no agent ran", () =>
  withTable(async (table, _, again, clock) => {
    await table.add(record("a"));
    await table.markStopping("a");
    await table.markAsked("a");
    clock.jump(-7_200_000);
    clock.advance(1_000);
    assertEquals([table.of("u")[0]?.stoppingSince, table.of("u")[0]?.askedAt], [0, 0]);
    const [found] = (await again()).of("u");
    assertEquals([found?.stoppingSince, found?.askedAt], [1_000, 1_000]);
  }));

Deno.test("a container whose shim is lost has ended, nobody knows how", () =>
  withTable(async (table, say) => {
    await table.add(record("a"));
    table.markMade("a");
    say({ id: "a", status: ContainerStatus.LOST, startedAt: "1970-01-01T00:00:02Z" });
    await table.refresh();
    equal(table.of("u")[0]?.exit?.code, 137);
  }));
