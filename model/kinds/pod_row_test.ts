import { deepEqual as assertEquals } from "node:assert/strict";
import type { ContainerStatus, Pod } from "../types/mod.ts";
import { aPod } from "../testing/mod.ts";
import { podRow } from "./pod/row.ts";

const NOW = Date.parse("2026-01-01T01:00:00Z");

const status = (state: ContainerStatus["state"], more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  name: "main",
  image: "",
  imageID: "",
  ready: false,
  restartCount: 0,
  ...(state && { state }),
  ...more,
});
/** Ready, Status and Restarts. */
const shown = (pod: Pod) => podRow(pod, NOW).slice(1, 4);
const withStatus = (containerStatuses: ContainerStatus[], more: NonNullable<Pod["status"]> = {}): Pod => {
  const pod = aPod();
  pod.status = { phase: "Running", containerStatuses, ...more };
  return pod;
};

Deno.test("a running pod shows how many of its containers are ready", () => {
  assertEquals(shown(withStatus([status({ running: {} }, { ready: true })])), ["1/1", "Running", "0"]);
});

Deno.test("what keeps a container from running is the pod's status", () => {
  assertEquals(shown(withStatus([status({ waiting: { reason: "ImagePullBackOff" } })]))[1], "ImagePullBackOff");
  assertEquals(shown(withStatus([status({ terminated: { exitCode: 2 } })]))[1], "ExitCode:2");
  assertEquals(shown(withStatus([status({ terminated: { exitCode: 137, signal: 9 } })]))[1], "Signal:9");
});

Deno.test("restarts tell when the last was", () => {
  const ended = { terminated: { exitCode: 1, finishedAt: "2026-01-01T00:55:00Z" } };
  assertEquals(shown(withStatus([status({ running: {} }, { restartCount: 3, lastState: ended })]))[2], "3 (5m ago)");
});

Deno.test("init containers show how far they are and what stops them", () => {
  const pod = aPod({ spec: { initContainers: [{ name: "i", image: "x" }, { name: "j", image: "x" }] } });
  pod.status = { phase: "Pending", initContainerStatuses: [status({ running: {} }, { name: "i" })] };
  assertEquals(shown(pod)[1], "Init:0/2");
  pod.status.initContainerStatuses = [
    status({ waiting: { reason: "CrashLoopBackOff" } }, { name: "i", restartCount: 4 }),
  ];
  assertEquals(shown(pod).slice(1), ["Init:CrashLoopBackOff", "4"]);
});

Deno.test("a pod that is being deleted is terminating", () => {
  const pod = aPod({ deleted: "2026-01-01T00:00:00Z", ready: true });
  assertEquals(shown(pod)[1], "Terminating");
  pod.status = { ...pod.status, reason: "NodeLost" };
  assertEquals(shown(pod)[1], "Unknown");
});

Deno.test("a sidecar counts among the containers", () => {
  const pod = aPod({ spec: { initContainers: [{ name: "s", image: "x", restartPolicy: "Always" }] } });
  pod.status = {
    phase: "Running",
    initContainerStatuses: [status({ running: {} }, { name: "s", started: true, ready: true })],
    containerStatuses: [status({ running: {} }, { ready: true })],
  };
  assertEquals(shown(pod), ["2/2", "Running", "0"]);
});

Deno.test("wide cells say none where there is nothing", () => {
  assertEquals(podRow(aPod(), NOW).slice(5), ["<none>", "<none>", "<none>", "<none>"]);
  assertEquals(podRow(aPod({ ip: "10.0.0.1", node: "n" }), NOW).slice(5, 7), ["10.0.0.1", "n"]);
});
