import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { type Container, systemClock } from "@k3ts/model/objects";
import { type Probed, Prober } from "./prober.ts";

/** Probes a container until its result is what is looked for. */
async function probeUntil(
  container: Partial<Container>,
  over: Partial<Probed>,
  holds: (prober: Prober) => boolean,
): Promise<Prober> {
  const prober = new Prober(systemClock);
  const done = Promise.withResolvers<void>();
  const look = () => holds(prober) && done.resolve();
  prober.start({
    id: "c",
    container: { name: "main", ...container },
    address: "127.0.0.1",
    startedAt: Date.now(),
    exec: () => Promise.resolve({ code: 0, output: "" }),
    changed: look,
    tell: () => {},
    ...over,
  });
  look();
  await done.promise;
  prober.stopAll();
  return prober;
}

Deno.test("a container is ready when its page answers with success", async () => {
  let status = 503;
  const paths: string[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    paths.push(new URL(request.url).pathname);
    const answer = new Response("", { status });
    status = 200;
    return answer;
  });
  try {
    const ports = [{ name: "http", containerPort: server.addr.port }];
    const readinessProbe = { httpGet: { path: "/ready", port: "http" }, periodSeconds: 1 };
    await probeUntil({ ports, readinessProbe }, {}, (prober) => prober.result("c")?.ready === true);
    assertEquals(paths, ["/ready", "/ready"]);
  } finally {
    await server.shutdown();
  }
});

Deno.test("a container that was started by a clock which was put back since is probed all the same", async () => {
  const readinessProbe = { exec: { command: ["true"] }, periodSeconds: 1 };
  const startedAt = Date.now() + 7_200_000;
  await probeUntil({ readinessProbe }, { startedAt }, (prober) => prober.result("c")?.ready === true);
});

Deno.test("a restarted agent goes on from what the server was last told", () => {
  const prober = new Prober(systemClock);
  const before = { ready: true, started: true };
  const container = { name: "main", readinessProbe: { exec: { command: ["true"] }, initialDelaySeconds: 60 } };
  prober.start({
    id: "c",
    container,
    address: "",
    startedAt: Date.now(),
    before,
    exec: () => Promise.reject(new Error()),
    changed() {},
    tell() {},
  });
  equal(prober.result("c")?.ready, true);
  prober.stopAll();
});

Deno.test("liveness waits for the startup probe, and says which probe it was", async () => {
  const asked: string[] = [];
  const exec: Probed["exec"] = (command) => {
    asked.push(command[0]!);
    return Promise.resolve({ code: command[0] === "live" ? 1 : 0, output: "sick" });
  };
  const container = {
    startupProbe: { exec: { command: ["start"] } },
    livenessProbe: { exec: { command: ["live"] }, failureThreshold: 1 },
  };
  const told: string[] = [];
  const tell = (reason: string, message: string) => told.push(`${reason}: ${message}`);
  const prober = await probeUntil(container, { exec, tell }, (prober) => prober.result("c")?.failed !== undefined);
  assertEquals(asked, ["start", "live"]);
  assertEquals(told, ["Unhealthy: Liveness probe failed: sick"]);
  equal(prober.result("c"), undefined, "nothing is known of what is not probed any more");
});
