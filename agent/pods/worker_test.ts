import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import { createLog } from "@k3ts/client/telemetry";
import { aPod, FakeClock } from "@k3ts/model/testing";
import type { ObservedPod } from "./observed.ts";
import type { Action, DesiredPod, PodPlan } from "./plan.ts";
import { type Machine, PodWorker } from "./worker.ts";

const QUIET = createLog(() => {}, () => 0);

/** A machine that does what it is told, unless it is told to fail. */
class FakeMachine implements Machine {
  readonly done: Action["do"][] = [];
  readonly warnings: string[] = [];
  observed: Omit<ObservedPod, "failures"> = {
    files: false,
    begunAt: 0,
    referencesKnown: true,
    volumes: "mounted",
    containers: [],
    images: new Map([["demo:1", { state: "present", id: "i" }]]),
    probes: new Map(),
    leftServices: false,
    forgotten: false,
  };
  fails: (action: Action) => boolean = () => false;
  /** How many actions each plan had: one with none is followed by a rest. */
  readonly plans: number[] = [];

  observe() {
    return Promise.resolve(this.observed);
  }

  perform(action: Action): Promise<void> {
    this.done.push(action.do);
    if (this.fails(action)) return Promise.reject(new Error("told to fail"));
    if (action.do === "createSandbox") this.observed = { ...this.observed, files: true, sandbox: { createdAt: 1 } };
    if (action.do === "removeSandbox") this.observed = { ...this.observed, sandbox: undefined };
    if (action.do === "unmountVolumes") this.observed = { ...this.observed, volumes: "unmounted" };
    if (action.do === "removeFiles") this.observed = { ...this.observed, files: false, containers: [] };
    if (action.do === "start") {
      const container = {
        id: "c",
        podUid: "u",
        container: "main",
        kind: "app" as const,
        attempt: 0,
        image: "demo:1",
        imageId: "i",
        createdAt: 2,
      };
      this.observed = { ...this.observed, containers: [{ ...container, state: "running", startedAt: 2 }] };
    }
    return Promise.resolve();
  }

  report(_: DesiredPod, plan: PodPlan) {
    this.plans.push(plan.actions.length);
  }

  warn(_: DesiredPod, reason: string) {
    this.warnings.push(reason);
  }
}

const desired = (): DesiredPod => ({
  pod: aPod({ name: "web", uid: "u" }),
  gone: false,
  seenAt: 0,
  hostAddress: "192.0.2.1",
});

async function until(holds: () => boolean): Promise<void> {
  for (let looks = 0; !holds(); looks++) {
    assert(looks < 1000, "it never came to be");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

Deno.test("a worker does plan after plan until the pod runs, and rests then", async () => {
  const machine = new FakeMachine();
  const stop = new AbortController();
  const worker = new PodWorker(desired(), machine, new FakeClock(), QUIET, stop.signal);
  await until(() => machine.plans.at(-1) === 0);
  assertEquals(machine.done, ["createSandbox", "start"]);
  assertEquals(machine.plans, [1, 1, 0]);
  stop.abort();
  await worker.done;
});

Deno.test("nobody is told of the moment between two definitions of a container", async () => {
  const machine = new FakeMachine();
  const stop = new AbortController();
  const worker = new PodWorker(desired(), machine, new FakeClock(), QUIET, stop.signal);
  await until(() => machine.plans.at(-1) === 0);
  const [container] = machine.observed.containers;
  const exit = { code: 143, signal: 15, oomKilled: false, finishedAt: 3 };
  machine.observed = { ...machine.observed, containers: [{ ...container!, image: "demo:0", state: "exited", exit }] };
  worker.poke();
  await until(() => machine.done.length === 3 && machine.plans.length === 4);
  assertEquals(machine.done, ["createSandbox", "start", "start"]);
  assertEquals(machine.plans, [1, 1, 0, 0]);
  stop.abort();
  await worker.done;
});

Deno.test("what fails is held back, told once, and tried again when its time has come", async () => {
  const machine = new FakeMachine();
  const clock = new FakeClock();
  let broken = true;
  machine.fails = (action) => action.do === "createSandbox" && broken;
  const stop = new AbortController();
  const worker = new PodWorker(desired(), machine, clock, QUIET, stop.signal);
  await until(() => machine.warnings.length === 1);
  await until(() => machine.plans.at(-1) === 0);
  const looks = machine.plans.length;
  worker.poke();
  await until(() => machine.plans.length > looks);
  assertEquals(machine.done, ["createSandbox"]);
  assertEquals(machine.warnings, ["FailedCreatePodSandBox"]);
  broken = false;
  clock.advance(1_000);
  await until(() => machine.observed.containers.length === 1);
  stop.abort();
  await worker.done;
});

Deno.test("a clock that is set between a failure and the next try changes nothing about when that comes", async () => {
  for (const jumpMs of [7_200_000, -7_200_000]) {
    const machine = new FakeMachine();
    const clock = new FakeClock();
    machine.fails = (action) => action.do === "start";
    const stop = new AbortController();
    const worker = new PodWorker(desired(), machine, clock, QUIET, stop.signal);
    await until(() => machine.warnings.length === 1 && machine.plans.at(-1) === 0);
    clock.jump(jumpMs);
    clock.advance(999);
    const looks = machine.plans.length;
    worker.poke();
    await until(() => machine.plans.length > looks);
    equal(machine.warnings.length, 1);
    clock.advance(1);
    await until(() => machine.warnings.length === 2);
    stop.abort();
    await worker.done;
  }
});

Deno.test("what a failure depends on has changed: it is tried at once", async () => {
  const machine = new FakeMachine();
  let broken = true;
  machine.fails = (action) => action.do === "start" && broken;
  const stop = new AbortController();
  const worker = new PodWorker(desired(), machine, new FakeClock(), QUIET, stop.signal);
  await until(() => machine.warnings.length === 1);
  broken = false;
  worker.forgive();
  await until(() => machine.observed.containers.length === 1);
  stop.abort();
  await worker.done;
});

Deno.test("a worker ends by itself when nothing of a pod that is gone is left", async () => {
  const machine = new FakeMachine();
  machine.observed = { ...machine.observed, files: true, sandbox: { createdAt: 1 } };
  const worker = new PodWorker(
    { ...desired(), gone: true },
    machine,
    new FakeClock(),
    QUIET,
    new AbortController().signal,
  );
  await worker.done;
  assertEquals(machine.done, ["unmountVolumes", "removeSandbox", "removeFiles"]);
});

Deno.test("an action that never has an effect does not take the machine", async () => {
  const machine = new FakeMachine();
  machine.observed = { ...machine.observed, volumes: "stale" };
  machine.perform = (action) => {
    machine.done.push(action.do);
    return Promise.resolve();
  };
  const stop = new AbortController();
  const worker = new PodWorker(desired(), machine, new FakeClock(), QUIET, stop.signal);
  await until(() => machine.plans.length >= 200);
  // The fake machine is never waited for: a worker that does not rest would not have let this test go on.
  equal(machine.plans.length, 200);
  assert(machine.plans.every((actions) => actions > 0));
  stop.abort();
  await worker.done;
});
