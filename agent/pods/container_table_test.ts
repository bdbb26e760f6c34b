import { deepEqual as assertEquals, equal, rejects } from "node:assert/strict";
import { createLog } from "@k3ts/client/telemetry";
import { FakeClock } from "@k3ts/model/testing";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ContainerStateSchema,
  ContainerStatus,
  DeleteContainerResponseSchema,
  ListContainersResponseSchema,
} from "@k3ts/proto";
import { exists } from "../files.ts";
import { makeDirectory, removeTree, renameFile } from "../file_steps.ts";
import { inDirectory } from "../testing/in_directory.ts";
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

function withTable(
  task: (
    table: ContainerTable,
    say: (...states: State[]) => void,
    again: () => Promise<ContainerTable>,
    clock: FakeClock,
    deleted: string[],
    said: string[],
  ) => Promise<void>,
): Promise<void> {
  return inDirectory(async (directory, files) => {
    const clock = new FakeClock(10_000);
    let states: State[] = [];
    const deleted: string[] = [];
    const lines: string[] = [];
    const runtime = {
      listContainers: () => Promise.resolve(create(ListContainersResponseSchema, { containers: states })),
      deleteContainer: ({ id = "" }) => {
        deleted.push(id);
        return Promise.resolve(create(DeleteContainerResponseSchema));
      },
    };
    const make = async () => {
      const table = new ContainerTable(
        directory,
        runtime,
        files,
        (_, code) => Promise.resolve(code === 0 ? undefined : "last words"),
        clock,
        createLog((line) => lines.push(line), () => 0),
      );
      await table.open();
      return table;
    };
    await task(await make(), (...said) => states = said, make, clock, deleted, lines);
  });
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

Deno.test("what is told late changes nothing that is known by then", () =>
  withTable(async (table) => {
    await table.add(record("a"));
    const tell = (status: ContainerStatus, more: State = {}) =>
      table.tell([create(ContainerStateSchema, { id: "a", status, ...more })]);
    assertEquals([...await tell(ContainerStatus.LOST)], [], "whoever makes it is told");
    table.markMade("a");
    table.markStarted("a", "1970-01-01T00:00:02Z");
    await tell(ContainerStatus.CREATED, { startedAt: "1970-01-01T00:00:02Z" });
    assertEquals([table.of("u")[0]?.state, table.of("u")[0]?.startedAt], ["running", 2000]);
    const end = { exitCode: 3, finishedAt: "1970-01-01T00:00:05Z" };
    assertEquals([...await tell(ContainerStatus.EXITED, end)], ["u"]);
    await tell(ContainerStatus.RUNNING);
    await tell(ContainerStatus.LOST);
    const [ended] = table.of("u");
    assertEquals([ended?.state, ended?.exit?.code], ["exited", 3]);
    assertEquals([...await table.tell([create(ContainerStateSchema, { id: "unknown" })])], []);
  }));

Deno.test("the runtime is asked about a container once, and about all again when it was not heard", () =>
  withTable(async (table, say) => {
    await table.add(record("a"));
    table.markMade("a");
    say({ id: "a", status: ContainerStatus.EXITED, finishedAt: "1970-01-01T00:00:05Z" });
    await table.refresh("u");
    equal(table.of("u")[0]?.state, "created", "it tells of changes by itself");
    await table.refresh();
    equal(table.of("u")[0]?.state, "exited");
  }));

Deno.test("what one held is given back before it counts as retired, and with its record", () =>
  withTable(async (table, say, again) => {
    await table.add(record("a"), [makeDirectory(`${table.directoryOf("a")}/rootfs`, 0o755)]);
    table.markMade("a");
    say({ id: "a", status: ContainerStatus.EXITED, finishedAt: "1970-01-01T00:00:05Z" });
    await table.refresh();
    const failing = renameFile(`${table.directoryOf("a")}/none`, `${table.directoryOf("a")}/some`);
    await rejects(table.markRetired("a", [failing]));
    equal(table.of("u")[0]?.state, "exited");
    equal((await again()).of("u")[0]?.state, "exited");
    await table.markRetired("a", [removeTree(`${table.directoryOf("a")}/rootfs`)]);
    equal((await again()).of("u")[0]?.state, "retired");
    assertEquals([...Deno.readDirSync(table.directoryOf("a"))].map(({ name }) => name), ["record.json"]);
    await table.remove("a");
    assertEquals((await again()).of("u"), []);
  }));

for (
  const [what, content] of [["empty", ""], ["torn", '{"version":1,"id'], ["all zeros", "\0\0\0"], [
    "missing",
    null,
  ]] as const
) {
  Deno.test(`a container whose record is ${what} is ended, with all it held, and the others go on`, () =>
    withTable(async (table, say, again, _, deleted, said) => {
      for (const id of ["a", "b"]) {
        await table.add(record(id), [makeDirectory(`${table.directoryOf(id)}/upper`, 0o755)]);
        table.markMade(id);
      }
      say({ id: "a", status: ContainerStatus.RUNNING }, { id: "b", status: ContainerStatus.RUNNING });
      const path = `${table.directoryOf("a")}/record.json`;
      if (content === null) await Deno.remove(path);
      else await Deno.writeTextFile(path, content);
      const found = await again();
      assertEquals(found.all().map(({ id, state }) => `${id} ${state}`), ["b running"]);
      assertEquals([deleted, await exists(table.directoryOf("a"))], [["a"], false]);
      assertEquals(said.filter((line) => line.includes("is lost")).length, content === null ? 0 : 1);
      say({ id: "b", status: ContainerStatus.RUNNING });
      await found.add(record("a"));
      assertEquals((await again()).all().length, 2);
    }));
}

Deno.test("a container that runs without a record or a directory is ended", () =>
  withTable(async (_, say, again, _clock, deleted) => {
    say({ id: "a", status: ContainerStatus.RUNNING });
    assertEquals((await again()).all(), []);
    assertEquals(deleted, ["a"]);
  }));
