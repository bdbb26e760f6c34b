import { deepEqual as assertEquals, equal } from "node:assert/strict";
import type { Container, Pod } from "@k3ts/model/objects";
import { aPod } from "@k3ts/model/testing";
import { restarts } from "./container_rules.ts";
import { containerId, type ObservedContainer, type ObservedPod } from "./observed.ts";
import { type DesiredPod, planPod as planAt } from "./plan.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const planPod = (wanted: DesiredPod, observed: ObservedPod, now = NOW) =>
  planAt(wanted, observed, { wall: now, monotonic: now });
const IMAGE = "demo:1";

function desired(spec: Partial<NonNullable<Pod["spec"]>>, options: Parameters<typeof aPod>[0] = {}): DesiredPod {
  const pod = aPod({
    name: "web",
    uid: "u1",
    ...options,
    spec: { containers: [{ name: "main", image: IMAGE }], ...spec },
  });
  return { pod, gone: false, seenAt: NOW - 1000, hostAddress: "192.0.2.1" };
}

const READY: ObservedPod = {
  files: true,
  begunAt: NOW - 1000,
  referencesKnown: true,
  volumes: "mounted",
  sandbox: { address: "10.42.0.2", createdAt: NOW - 900 },
  containers: [],
  images: new Map([[IMAGE, { state: "present", id: "sha256:i" }]]),
  probes: new Map(),
  failures: new Map(),
  leftServices: true,
  forgotten: false,
};

function running(name: string, over: Partial<ObservedContainer> = {}): ObservedContainer {
  return {
    id: containerId("u1", name, over.attempt ?? 0),
    podUid: "u1",
    container: name,
    kind: "app",
    attempt: 0,
    image: IMAGE,
    imageId: "sha256:i",
    createdAt: NOW - 800,
    state: "running",
    startedAt: NOW - 800,
    ...over,
  };
}

const ended = (name: string, code: number, over: Partial<ObservedContainer> = {}) =>
  running(name, {
    state: "retired",
    exit: { code, signal: 0, oomKilled: false, finishedAt: NOW - 100 },
    endedAt: NOW - 100,
    ...over,
  });

const sidecar = (name: string): Container => ({ name, image: IMAGE, restartPolicy: "Always" });
const condition = (plan: ReturnType<typeof planPod>, type: string) =>
  plan.status.conditions?.find((one) => one.type === type);

Deno.test("all hooks begin at once; sidecars are asked to end after the rest, the last one first", () => {
  const spec = { initContainers: [sidecar("a"), sidecar("b")] };
  const ending = desired(spec, { deleted: "2026-01-01T00:00:30Z" });
  const all = ["main", "a", "b"];
  const first = planPod(ending, { ...READY, containers: all.map((name) => running(name)) }, NOW);
  assertEquals(first.actions.map((one) => one.do === "stop" && one.id), all.map((name) => containerId("u1", name, 0)));
  const asked = (containers: ObservedContainer[], now = NOW) =>
    planPod(ending, { ...READY, containers }, now).actions.map((one) =>
      one.do === "signal" && `${one.signal} ${one.id}`
    );
  const stopping = all.map((name) => running(name, { stoppingSince: NOW }));
  assertEquals(asked(stopping), ["term u1-main-0"]);
  const [, a, b] = stopping;
  assertEquals(asked([ended("main", 0), a!, b!]), ["term u1-b-0"]);
  assertEquals(asked([ended("main", 0), a!, ended("b", 0)]), ["term u1-a-0"]);
  // Those that do not end do not keep the others for ever.
  assertEquals(asked(stopping, NOW + 31_000), ["term u1-main-0", "term u1-a-0", "term u1-b-0"]);
});

Deno.test("a hook has the grace that there is, and its container two seconds more at least", () => {
  const ending = desired({ terminationGracePeriodSeconds: 5 }, { deleted: "2026-01-01T00:00:05Z" });
  const at = (over: Partial<ObservedContainer>) => {
    const plan = planPod(
      ending,
      { ...READY, containers: [running("main", { stoppingSince: NOW - 4000, ...over })] },
      NOW,
    );
    return [plan.actions.map((one) => one.do === "signal" && one.signal), plan.reconsiderAt];
  };
  assertEquals(at({ hookRuns: true }), [[], NOW + 1000]);
  assertEquals(at({ hookRuns: true, stoppingSince: NOW - 5000 }), [["term"], undefined]);
  assertEquals(at({ stoppingSince: NOW - 6000, askedAt: NOW - 1000 }), [[], NOW + 1000]);
  assertEquals(at({ stoppingSince: NOW - 8000, askedAt: NOW - 2000 }), [["kill"], undefined]);
});

Deno.test("a hook that an agent before this one has begun is begun again, once", () => {
  const container = { name: "main", image: IMAGE, lifecycle: { preStop: { exec: { command: ["x"] } } } };
  const ending = desired({ containers: [container] }, { deleted: "2026-01-01T00:00:30Z" });
  const does = (over: Partial<ObservedContainer>) =>
    planPod(ending, { ...READY, containers: [running("main", { stoppingSince: NOW - 1000, ...over })] }, NOW)
      .actions.map((one) => one.do);
  assertEquals(does({}), ["stop"]);
  assertEquals(does({ hookRuns: true }), []);
  assertEquals(does({ hookRuns: false }), ["signal"]);
  assertEquals(does({ askedAt: NOW - 500 }), []);
});

Deno.test("one whose postStart hook runs is not up yet, and those after it wait", () => {
  const spec = { containers: [{ name: "main", image: IMAGE }, { name: "next", image: IMAGE }] };
  const busy = planPod(desired(spec), { ...READY, containers: [running("main", { postStart: "running" })] }, NOW);
  assertEquals(busy.actions, []);
  equal(busy.status.containerStatuses?.[0]?.state?.waiting?.reason, "ContainerCreating");
  equal(busy.status.phase, "Pending");
  const done = planPod(desired(spec), { ...READY, containers: [running("main")] }, NOW);
  assertEquals(done.actions.map((one) => one.do === "start" && one.container), ["next"]);
  const failed = planPod(desired({}), { ...READY, containers: [running("main", { postStart: "failed" })] }, NOW);
  assertEquals(failed.actions.map((one) => one.do === "stop" && one.because), ["FailedPostStartHook"]);
});

Deno.test("a pod is ready when its sidecars are too", () => {
  const probed = { ...sidecar("side"), readinessProbe: { exec: { command: ["x"] } } };
  const spec = { initContainers: [probed] };
  const containers = [running("side", { kind: "init" }), running("main")];
  const unready = planPod(desired(spec), { ...READY, containers }, NOW);
  assertEquals([condition(unready, "Ready")?.status, condition(unready, "Ready")?.message], [
    "False",
    "containers with unready status: [side]",
  ]);
  const probes = new Map([["u1-side-0", { ready: true, started: true }]]);
  equal(condition(planPod(desired(spec), { ...READY, containers, probes }, NOW), "Ready")?.status, "True");
});

Deno.test("gates that others open hold back readiness, and are named", () => {
  const spec = { readinessGates: [{ conditionType: "a.example/up" }, { conditionType: "b.example/up" }] };
  const wanted = desired(spec);
  wanted.pod.status = { conditions: [{ type: "b.example/up", status: "False" }] };
  const plan = planPod(wanted, { ...READY, containers: [running("main")] }, NOW);
  equal(condition(plan, "ContainersReady")?.status, "True");
  equal(
    condition(plan, "Ready")?.message,
    'corresponding condition of pod readiness gate "a.example/up" does not exist., ' +
      'the status of pod readiness gate "b.example/up" is not "True", but False',
  );
  equal(plan.status.conditions?.at(-1)?.type, "b.example/up", "what others wrote stays");
});

Deno.test("a container's own rules say whether it comes back", () => {
  const pod = aPod({ spec: { restartPolicy: "Never" } });
  const rules = [{ action: "Restart", exitCodes: { operator: "In", values: [42] } }];
  const retried: Container = { name: "c", restartPolicy: "Never", restartPolicyRules: rules };
  assertEquals([0, 1, 42].map((code) => restarts(pod, "app", retried, code)), [false, false, true]);
  const own: Container = { name: "c", restartPolicy: "OnFailure" };
  assertEquals([0, 1].map((code) => restarts(pod, "app", own, code)), [false, true]);
  assertEquals([0, 1].map((code) => restarts(pod, "init", { name: "c" }, code)), [false, false]);
});

Deno.test("a pod has failed when nothing of it runs any more, not before", () => {
  const spec = { restartPolicy: "Never" as const, initContainers: [sidecar("side")] };
  const side = running("side", { kind: "init" });
  const ending = planPod(desired(spec), { ...READY, containers: [side, ended("main", 3)] }, NOW);
  equal(ending.status.phase, "Running");
  assertEquals(ending.actions.map((one) => one.do), ["stop"]);
  const over = [ended("side", 143, { kind: "init" }), ended("main", 3)];
  equal(planPod(desired(spec), { ...READY, containers: over }, NOW).status.phase, "Failed");
});

Deno.test("a pod that asks for what this node does not give fails without being begun", () => {
  const plan = planPod(desired({ securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } }), {
    ...READY,
    volumes: "unmounted",
    sandbox: undefined,
  }, NOW);
  assertEquals([plan.status.phase, plan.status.reason, plan.status.containerStatuses, plan.actions], [
    "Failed",
    "SysctlForbidden",
    undefined,
    [],
  ]);
});

Deno.test("what was said of a container that has ended stays said when its records are gone", () => {
  const wanted = desired({ restartPolicy: "Never" });
  const last = planPod(wanted, { ...READY, containers: [ended("main", 0)] }, NOW).status;
  const forgotten = { ...wanted, pod: { ...wanted.pod, status: last } };
  const { sandbox: _, ...bare } = READY;
  const after = planPod(forgotten, { ...bare, volumes: "unmounted" }, NOW);
  assertEquals(after.status.containerStatuses, last.containerStatuses);
  equal(after.status.phase, "Succeeded");
});

Deno.test("what keeps a container from starting is said also while it is tried again", () => {
  const failure = { reason: "CreateContainerError", message: "no such program", retryAt: NOW - 1 };
  const plan = planPod(desired({}), { ...READY, failures: new Map([["main", failure]]) }, NOW);
  assertEquals(plan.actions.map((one) => one.do), ["start"]);
  equal(plan.status.containerStatuses?.[0]?.state?.waiting?.reason, "CreateContainerError");
});

Deno.test("a pod that is put out while it ends slowly is killed at once", () => {
  const evicted = { reason: "Evicted", message: "the disk" };
  const ending = desired({ terminationGracePeriodSeconds: 86_400 }, { deleted: "2026-01-02T00:00:00Z" });
  const does = (gone: boolean, over: Partial<ObservedPod>) =>
    planPod({ ...ending, gone }, {
      ...READY,
      containers: [running("main", { stoppingSince: NOW - 1000, askedAt: NOW - 1000 })],
      ...over,
    }).actions.map((one) => one.do === "signal" && one.signal);
  assertEquals(does(false, {}), []);
  assertEquals(does(false, { evicted }), ["kill"]);
  assertEquals(does(true, { evicted }), ["kill"]);
  const fresh = planPod(ending, { ...READY, evicted, containers: [running("main")] });
  assertEquals(fresh.actions.map((one) => one.do === "stop" && one.graceSeconds), [0]);
});
