import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import type { Container, Pod } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import fc from "fast-check";
import type { ImageState, ObservedContainer, ObservedPod } from "./observed.ts";
import { containerId } from "./observed.ts";
import { pullPolicyOf } from "./container_rules.ts";
import { type Action, type DesiredPod, planPod as planAt } from "./plan.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
/** @param aheadMs how far the clock on the wall has been set since */
const planPod = (wanted: DesiredPod, observed: ObservedPod, now = NOW, aheadMs = 0) =>
  planAt(wanted, observed, { wall: now + aheadMs, monotonic: now });

function desired(spec: Partial<NonNullable<Pod["spec"]>> = {}, options: Parameters<typeof aPod>[0] = {}): DesiredPod {
  const pod = aPod({
    name: "web",
    uid: "u1",
    ...options,
    spec: { containers: [{ name: "main", image: "demo:1" }], ...spec },
  });
  return { pod, gone: false, seenAt: NOW - 1000, hostAddress: "192.0.2.1" };
}

const EMPTY: ObservedPod = {
  files: false,
  begunAt: NOW - 1000,
  referencesKnown: true,
  volumes: "unmounted",
  containers: [],
  images: new Map<string, ImageState>([["demo:1", { state: "present", id: "sha256:i" }]]),
  probes: new Map(),
  failures: new Map(),
  leftServices: false,
  forgotten: false,
};

const READY: ObservedPod = {
  ...EMPTY,
  files: true,
  volumes: "mounted",
  sandbox: { address: "10.42.0.2", createdAt: NOW - 900 },
};

function container(over: Partial<ObservedContainer> = {}): ObservedContainer {
  const name = over.container ?? "main";
  const attempt = over.attempt ?? 0;
  return {
    id: containerId("u1", name, attempt),
    podUid: "u1",
    container: name,
    kind: "app",
    attempt,
    image: "demo:1",
    imageId: "sha256:i",
    createdAt: NOW - 800,
    state: "running",
    startedAt: NOW - 800,
    ...over,
  };
}

function ended(code: number, over: Partial<ObservedContainer> = {}): ObservedContainer {
  return container({
    state: "exited",
    exit: { code, signal: 0, oomKilled: false, finishedAt: NOW - 100 },
    endedAt: NOW - 100,
    ...over,
  });
}

const dos = (actions: Action[]) => actions.map((one) => one.do);

Deno.test("a new pod gets its sandbox and volumes first, and its missing image meanwhile", () => {
  const plan = planPod(desired(), { ...EMPTY, images: new Map() }, NOW);
  assertEquals(dos(plan.actions).sort(), ["createSandbox", "mountVolumes", "pull"]);
  equal(plan.status.phase, "Pending");
  equal(plan.status.containerStatuses?.[0]?.state?.waiting?.reason, "ContainerCreating");
});

Deno.test("a container starts when sandbox, volumes and image are there", () => {
  const plan = planPod(desired(), READY, NOW);
  assertEquals(plan.actions, [{ do: "start", container: "main", kind: "app", attempt: 0 }]);
});

Deno.test("nothing is mounted or started before the server has answered for what the pod uses", () => {
  const plan = planPod(desired(), { ...EMPTY, referencesKnown: false }, NOW);
  assertEquals(dos(plan.actions), ["createSandbox"]);
});

Deno.test("init containers run one after the other and before all others", () => {
  const spec = { initContainers: [{ name: "a", image: "demo:1" }, { name: "b", image: "demo:1" }] };
  const first = planPod(desired(spec), READY, NOW);
  assertEquals(first.actions, [{ do: "start", container: "a", kind: "init", attempt: 0 }]);
  equal(first.status.containerStatuses?.[0]?.state?.waiting?.reason, "PodInitializing");
  const second = planPod(desired(spec), { ...READY, containers: [ended(0, { container: "a", kind: "init" })] }, NOW);
  assert(second.actions.some((one) => one.do === "start" && one.container === "b"));
  const both = [ended(0, { container: "a", kind: "init" }), ended(0, { container: "b", kind: "init" })];
  const third = planPod(desired(spec), { ...READY, containers: both }, NOW);
  assert(third.actions.some((one) => one.do === "start" && one.container === "main"));
});

Deno.test("a sidecar stays up while the containers after it start", () => {
  const sidecar: Container = { name: "side", image: "demo:1", restartPolicy: "Always" };
  const spec = { initContainers: [sidecar] };
  const waiting = planPod(desired(spec), READY, NOW);
  assertEquals(waiting.actions, [{ do: "start", container: "side", kind: "init", attempt: 0 }]);
  const up = planPod(desired(spec), { ...READY, containers: [container({ container: "side", kind: "init" })] }, NOW);
  assertEquals(up.actions, [{ do: "start", container: "main", kind: "app", attempt: 0 }]);
});

Deno.test("the first restart is immediate, the next ones wait 10 s, 20 s and so on", () => {
  const first = planPod(desired(), { ...READY, containers: [ended(1)] }, NOW);
  assert(first.actions.some((one) => one.do === "start" && one.attempt === 1 && one.backoffMs === 0));
  const second = planPod(desired(), { ...READY, containers: [ended(1, { attempt: 1, backoffMs: 0 })] }, NOW);
  assertEquals(dos(second.actions), []);
  equal(second.reconsiderAt, NOW - 100 + 10_000);
  const status = second.status.containerStatuses?.[0];
  equal(status?.state?.waiting?.reason, "CrashLoopBackOff");
  equal(status?.lastState?.terminated?.exitCode, 1);
  equal(status?.restartCount, 1);
  equal(second.status.phase, "Running");
  const third = planPod(desired(), { ...READY, containers: [ended(1, { attempt: 2, backoffMs: 10_000 })] }, NOW);
  equal(third.reconsiderAt, NOW - 100 + 20_000);
});

Deno.test("a container that ran well for ten minutes starts again at once", () => {
  const good = ended(1, { attempt: 5, backoffMs: 160_000, startedAt: NOW - 700_000 });
  const plan = planPod(desired(), { ...READY, containers: [good] }, NOW);
  assert(plan.actions.some((one) => one.do === "start" && one.attempt === 6));
});

Deno.test("with restart policy Never a pod ends as its containers do, and gives back what it held", () => {
  const spec = { restartPolicy: "Never" as const };
  const failed = planPod(desired(spec), { ...READY, containers: [ended(3)] }, NOW);
  equal(failed.status.phase, "Failed");
  assertEquals(dos(failed.actions), ["retire"]);
  const retired = planPod(desired(spec), { ...READY, containers: [ended(0, { state: "retired" })] }, NOW);
  equal(retired.status.phase, "Succeeded");
  assertEquals(dos(retired.actions), ["unmountVolumes"]);
  const unmounted = { ...READY, volumes: "unmounted" as const, containers: [ended(0, { state: "retired" })] };
  assertEquals(dos(planPod(desired(spec), unmounted, NOW).actions), ["removeSandbox"]);
});

Deno.test("an init container that fails under restart policy Never fails the pod", () => {
  const spec = { restartPolicy: "Never" as const, initContainers: [{ name: "a", image: "demo:1" }] };
  const plan = planPod(desired(spec), { ...READY, containers: [ended(1, { container: "a", kind: "init" })] }, NOW);
  equal(plan.status.phase, "Failed");
  assert(!dos(plan.actions).includes("start"));
});

Deno.test("a pod that ends leaves the Services before it is signalled", () => {
  const ending = desired({}, { deleted: "2026-01-01T00:00:30Z" });
  const first = planPod(ending, { ...READY, containers: [container()] }, NOW);
  assertEquals(dos(first.actions), ["leaveServices"]);
  const second = planPod(ending, { ...READY, leftServices: true, containers: [container()] }, NOW);
  const because = "Stopping container main";
  assertEquals(second.actions, [{ do: "stop", id: container().id, because, graceSeconds: 30 }]);
  const stopping = container({ stoppingSince: NOW });
  const third = planPod(ending, { ...READY, leftServices: true, containers: [stopping] }, NOW);
  assertEquals(third.actions, [{ do: "signal", id: container().id, signal: "term" }]);
});

Deno.test("SIGKILL comes when the grace has passed, and not in every round", () => {
  const ending = desired({ terminationGracePeriodSeconds: 5 }, { deleted: "2026-01-01T00:00:05Z" });
  const waits = planPod(ending, {
    ...READY,
    leftServices: true,
    containers: [container({ stoppingSince: NOW - 1000, askedAt: NOW - 1000 })],
  }, NOW);
  assertEquals(waits.actions, []);
  equal(waits.reconsiderAt, NOW + 4000);
  const late = {
    ...READY,
    leftServices: true,
    containers: [container({ stoppingSince: NOW - 5000, askedAt: NOW - 5000 })],
  };
  assertEquals(planPod(ending, late, NOW).actions.map((one) => one.do === "signal" && one.signal), ["kill"]);
  const killed = { ...late, containers: late.containers.map((one) => ({ ...one, killedAt: NOW - 10 })) };
  assertEquals(planPod(ending, killed, NOW).actions, []);
});

Deno.test("the server is told last, and once", () => {
  const ending = desired({}, { deleted: "2026-01-01T00:00:00Z" });
  const bare: ObservedPod = { ...EMPTY, files: true, containers: [ended(0, { state: "retired" })] };
  assertEquals(planPod(ending, bare, NOW).actions, [{ do: "forget" }]);
  assertEquals(planPod(ending, { ...bare, forgotten: true }, NOW).actions, []);
  assertEquals(planPod({ ...ending, gone: true }, { ...bare, forgotten: true }, NOW).actions, [{ do: "removeFiles" }]);
});

Deno.test("a rebooted node makes the sandbox anew and runs init containers again", () => {
  const spec = { initContainers: [{ name: "a", image: "demo:1" }] };
  const containers = [
    ended(0, { container: "a", kind: "init", createdAt: NOW - 5000 }),
    ended(137, { createdAt: NOW - 5000 }),
  ];
  const lost = planPod(desired(spec), { ...EMPTY, files: true, containers }, NOW);
  assert(dos(lost.actions).includes("createSandbox"));
  const again = planPod(desired(spec), { ...READY, containers }, NOW);
  assertEquals(again.actions.filter((one) => one.do === "start"), [
    { do: "start", container: "a", kind: "init", attempt: 1 },
  ]);
});

Deno.test("a container that fails its liveness probe is stopped, one whose image changed too", () => {
  const dead = { ready: false, started: true, failed: "Liveness" as const };
  const probes = new Map([[container().id, dead]]);
  const plan = planPod(desired(), { ...READY, probes, containers: [container()] }, NOW);
  const because = "Container main failed liveness probe, will be restarted";
  assertEquals(plan.actions, [{ do: "stop", id: container().id, because, graceSeconds: 30 }]);
  const livenessProbe = { exec: { command: ["x"] }, terminationGracePeriodSeconds: 3 };
  const spec = { restartPolicy: "Never" as const, containers: [{ name: "main", image: "demo:1", livenessProbe }] };
  const short = planPod(desired(spec), { ...READY, probes, containers: [container()] }, NOW);
  assertEquals(short.actions, [
    { do: "stop", id: container().id, because: "Container main failed liveness probe", graceSeconds: 3 },
  ]);
  const changed = planPod(desired(), { ...READY, containers: [container({ image: "demo:0" })] }, NOW);
  assertEquals(changed.actions.map((one) => one.do === "stop" && one.because), [
    "Container main definition changed, will be restarted",
  ]);
  const stopped = container({
    image: "demo:0",
    state: "exited",
    exit: { code: 143, signal: 15, oomKilled: false, finishedAt: 5 },
  });
  const replaced = planPod(desired(), { ...READY, containers: [stopped] }, NOW);
  assertEquals(replaced.actions.map((one) => one.do === "start" && one.replaces), [true]);
  const again = planPod(desired(), { ...READY, containers: [{ ...stopped, image: "demo:1" }] }, NOW);
  assertEquals(again.actions.map((one) => one.do === "start" && one.replaces), [undefined]);
});

Deno.test("a pod is ready when all its containers are", () => {
  const spec = { containers: [{ name: "main", image: "demo:1", readinessProbe: { httpGet: { port: 80 } } }] };
  const unready = planPod(desired(spec), { ...READY, containers: [container()] }, NOW);
  equal(unready.status.conditions?.find((one) => one.type === "Ready")?.status, "False");
  const probes = new Map([[container().id, { ready: true, started: true }]]);
  const ready = planPod(desired(spec), { ...READY, probes, containers: [container()] }, NOW);
  equal(ready.status.conditions?.find((one) => one.type === "Ready")?.status, "True");
  equal(ready.status.podIP, "10.42.0.2");
  equal(ready.status.hostIP, "192.0.2.1");
});

Deno.test("an image that cannot be had is what its container waits for", () => {
  const failure = { reason: "ErrImagePull", message: "not found", retryAt: NOW + 10_000 };
  const images = new Map<string, ImageState>([["demo:1", { state: "failed", failure }]]);
  const plan = planPod(desired(), { ...READY, images }, NOW);
  assertEquals(plan.actions, []);
  equal(plan.reconsiderAt, NOW + 10_000);
  assertEquals(plan.status.containerStatuses?.[0]?.state?.waiting, { reason: "ErrImagePull", message: "not found" });
});

Deno.test("a pod that outlives its deadline fails", () => {
  const plan = planPod(desired({ activeDeadlineSeconds: 1 }), {
    ...READY,
    containers: [ended(0, { state: "retired" })],
  }, NOW);
  equal(plan.status.phase, "Failed");
  equal(plan.status.reason, "DeadlineExceeded");
});

Deno.test("how the clock is set changes nothing about when it is time", () => {
  const failure = { reason: "CreateContainerError", message: "it broke", retryAt: NOW + 10_000 };
  const deleted = desired({}, { deleted: "2026-01-01T00:00:30Z" });
  const cases: [DesiredPod, ObservedPod, number][] = [
    [desired(), { ...READY, failures: new Map([["main", failure]]) }, 10_000],
    [desired(), { ...READY, containers: [ended(1, { backoffMs: 0, attempt: 1 })] }, 9_900],
    [desired({ activeDeadlineSeconds: 60 }), { ...READY, containers: [container()] }, 59_000],
    [deleted, { ...READY, leftServices: true, containers: [container({ stoppingSince: NOW, askedAt: NOW })] }, 30_000],
    [desired(), { ...READY, volumesRefreshAt: NOW + 5_000, containers: [container()] }, 5_000],
  ];
  for (const [wanted, observed, waitMs] of cases) {
    for (const aheadMs of [0, 7_200_000, -7_200_000]) {
      const waiting = planPod(wanted, observed, NOW, aheadMs);
      assertEquals([waiting.actions, waiting.reconsiderAt], [[], NOW + waitMs]);
      const due = planPod(wanted, observed, NOW + waitMs, aheadMs);
      assert(due.actions.length > 0 || due.status.phase === "Failed");
    }
  }
});

Deno.test("images of no tag or latest are always asked for", () => {
  const policies = ["demo", "demo:latest", "demo:1", "localhost:5000/demo", "demo@sha256:0"].map((image) =>
    pullPolicyOf({ image })
  );
  assertEquals(policies, ["Always", "Always", "IfNotPresent", "Always", "IfNotPresent"]);
});

Deno.test("a container's id has at most 100 characters and is its own", () => {
  const uid = "0".repeat(36);
  const long = "a".repeat(63);
  equal(containerId(uid, long, 123).length <= 100, true);
  assert(containerId(uid, `${long}b`, 123) !== containerId(uid, `${long}c`, 123));
});

/** A machine on which every action succeeds at once, and containers end as they are told to. */
class Simulation {
  now = NOW;
  observed: ObservedPod = EMPTY;
  constructor(readonly exits: ReadonlyMap<string, number>) {}

  do(action: Action): void {
    const update = (id: string, change: Partial<ObservedContainer> | undefined) => {
      const containers = this.observed.containers.flatMap((one) =>
        one.id !== id ? [one] : change === undefined ? [] : [{ ...one, ...change }]
      );
      this.observed = { ...this.observed, containers };
    };
    const exit = (code: number) => ({
      state: "exited" as const,
      exit: { code, signal: 0, oomKilled: false, finishedAt: this.now },
      endedAt: this.now,
    });
    switch (action.do) {
      case "createSandbox":
        this.observed = { ...this.observed, files: true, sandbox: { address: "10.42.0.2", createdAt: this.now } };
        return;
      case "removeSandbox": {
        const { sandbox: _, ...rest } = this.observed;
        this.observed = rest;
        return;
      }
      case "mountVolumes":
        this.observed = { ...this.observed, files: true, volumes: "mounted" };
        return;
      case "unmountVolumes":
        this.observed = { ...this.observed, volumes: "unmounted" };
        return;
      case "pull":
        this.observed = {
          ...this.observed,
          images: new Map([...this.observed.images, [action.image, { state: "present", id: "sha256:i" }]]),
        };
        return;
      case "start": {
        const code = this.exits.get(action.container);
        const { container: name, kind, attempt, backoffMs } = action;
        assert(
          this.observed.sandbox !== undefined && this.observed.volumes === "mounted",
          "nothing starts without its sandbox and volumes",
        );
        const made = container({
          container: name,
          kind,
          attempt,
          ...(backoffMs !== undefined && { backoffMs }),
          createdAt: this.now,
          startedAt: this.now,
          // Whatever fails does so twice, and then goes well.
          ...(code !== undefined && exit(attempt < 2 ? code : 0)),
        });
        assert(!this.observed.containers.some((one) => one.id === made.id), "an attempt is made once");
        this.observed = { ...this.observed, containers: [...this.observed.containers, made] };
        return;
      }
      case "resume":
        return update(action.id, { state: "running" });
      case "stop":
        return update(action.id, { stoppingSince: this.now, hookRuns: action.graceSeconds > 0 });
      case "signal":
        return update(action.id, exit(action.signal === "term" ? 143 : 137));
      case "retire":
        return update(action.id, { state: "retired" });
      case "remove":
        return update(action.id, undefined);
      case "leaveServices":
        this.observed = { ...this.observed, leftServices: true };
        return;
      case "forget":
        this.observed = { ...this.observed, forgotten: true };
        return;
      case "removeFiles":
        this.observed = { ...this.observed, files: false, containers: [] };
        return;
    }
  }

  /** Follows plans until nothing is left to do and no time would change that. */
  settle(wanted: DesiredPod) {
    for (let round = 0; round < 200; round++) {
      const plan = planPod(wanted, this.observed, this.now);
      for (const action of plan.actions) this.do(action);
      if (plan.actions.length > 0) continue;
      if (plan.reconsiderAt === undefined) return plan;
      assert(plan.reconsiderAt > this.now, "a plan is reconsidered later, never now");
      // Hooks end by themselves, some time or other.
      const containers = this.observed.containers.map((one) => ({ ...one, hookRuns: false }));
      this.observed = { ...this.observed, containers };
      this.now = plan.reconsiderAt;
    }
    throw new Error("the plans never came to rest");
  }
}

const aContainer = (name: string) =>
  fc.record({ exit: fc.option(fc.constantFrom(0, 1), { nil: undefined }), sidecar: fc.boolean() }).map((one) => ({
    name,
    ...one,
  }));
const arbitraryPod = fc.record({
  inits: fc.tuple(aContainer("i0"), aContainer("i1")).chain((two) =>
    fc.integer({ min: 0, max: 2 }).map((count) => two.slice(0, count))
  ),
  mains: fc.tuple(aContainer("m0"), aContainer("m1"), aContainer("m2")).chain((three) =>
    fc.integer({ min: 1, max: 3 }).map((count) => three.slice(0, count))
  ),
  restartPolicy: fc.constantFrom("OnFailure" as const, "Never" as const),
});

Deno.test("whatever the pod is, following the plans comes to rest, and ends with nothing when it is deleted", () => {
  fc.assert(fc.property(arbitraryPod, ({ inits, mains, restartPolicy }) => {
    const spec = {
      restartPolicy,
      // An init container that never ends would keep its pod waiting, and rightly.
      initContainers: inits.map(({ name, sidecar }) => ({
        name,
        image: "demo:1",
        ...(sidecar && { restartPolicy: "Always" as const }),
      })),
      containers: mains.map(({ name }) => ({ name, image: "demo:1" })),
    };
    const exits = new Map<string, number>();
    for (const { name, exit, sidecar } of inits) if (!sidecar) exits.set(name, exit ?? 0);
    for (const { name, exit } of mains) if (exit !== undefined) exits.set(name, exit);
    const machine = new Simulation(exits);
    const wanted = desired(spec);
    const rest = machine.settle(wanted);
    const brokenInit = restartPolicy === "Never" && inits.some((one) => !one.sidecar && one.exit === 1);
    const allEnd = mains.every((one) => one.exit !== undefined);
    if (!brokenInit && !allEnd) {
      equal(rest.status.phase, "Running");
      for (const { name, exit } of mains) {
        assert(
          exit !== undefined ||
            machine.observed.containers.some((one) => one.container === name && one.state === "running"),
        );
      }
    } else {
      const failed = brokenInit || (restartPolicy === "Never" && mains.some((one) => one.exit === 1));
      equal(rest.status.phase, failed ? "Failed" : "Succeeded");
      equal(machine.observed.sandbox, undefined);
    }
    const ending = {
      ...wanted,
      pod: { ...wanted.pod, metadata: { ...wanted.pod.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } },
    };
    machine.settle(ending);
    equal(machine.observed.forgotten, true);
    machine.settle({ ...ending, gone: true });
    assertEquals([machine.observed.files, machine.observed.containers, machine.observed.sandbox], [
      false,
      [],
      undefined,
    ]);
  }));
});
