import { deepEqual as assertEquals, equal, ok as assert } from "node:assert/strict";
import fc from "fast-check";
import { type ComponentOptions, NETWORK_DEFAULTS, planComponents } from "./plan.ts";

const options: ComponentOptions = {
  roles: ["server", "node"],
  dataDir: "/var/lib/k3ts",
  port: 6443,
  listen: ["127.0.0.1", "10.42.0.1"],
  serverNames: ["127.0.0.1", "10.42.0.1"],
  advertise: "10.42.0.1",
  serverUrl: "https://127.0.0.1:6443",
  nodeName: "n1",
  network: NETWORK_DEFAULTS,
  root: "/opt/k3ts",
  native: "/opt/native",
  deno: "/usr/bin/deno",
};
const names = (options: ComponentOptions) => planComponents(options).processes.map(({ name }) => name);
const command = (options: ComponentOptions, name: string) =>
  planComponents(options).processes.find((process) => process.name === name)!.command;
/** The word behind a flag. */
const after = (words: string[], flag: string) => words[words.indexOf(flag) + 1];

Deno.test("`up` runs everything, `server` and `agent` their part, in the order in which they are needed", () => {
  assertEquals(names(options), ["gateway", "server", "agent", "dataplane"]);
  assertEquals(names({ ...options, roles: ["server"] }), ["gateway", "server"]);
  assertEquals(names({ ...options, roles: ["node"] }), ["gateway", "agent", "dataplane"]);
});

Deno.test("the gateway listens where the server is, and elsewhere opens a tunnel to it", () => {
  const gateway = (roles: ComponentOptions["roles"]) =>
    planComponents({ ...options, roles }).processes.find(({ name }) => name === "gateway")!;
  for (const roles of [["server"], ["server", "node"]] as const) {
    assertEquals(gateway(roles).sockets, ["api"]);
    assert(!gateway(roles).command.includes("--server"));
  }
  assertEquals(gateway(["node"]).sockets, []);
  equal(after(gateway(["node"]).command, "--server"), options.serverUrl);
});

Deno.test("the API is served on every address, DNS on the cluster's own", () => {
  const sockets = planComponents(options).sockets.map(({ name, address }) => `${name} ${address}`);
  assertEquals(sockets, ["api 127.0.0.1:6443", "api 10.42.0.1:6443", "dns-udp 10.43.0.10:53", "dns-tcp 10.43.0.10:53"]);
  equal(planComponents({ ...options, listen: ["::1"] }).sockets[0]!.address, "[::1]:6443");
});

Deno.test("the server is told its names, the agent where it is", () => {
  const server = command({ ...options, serverNames: ["a", "b"], advertise: "192.0.2.1" }, "server");
  assertEquals(server.filter((_, index) => server[index - 1] === "--address"), ["a", "b"]);
  equal(after(server, "--advertise"), "192.0.2.1:6443");
  const agent = command({ ...options, serverUrl: "https://192.0.2.1:6443" }, "agent");
  assertEquals([after(agent, "--server"), after(agent, "--node-name")], ["https://192.0.2.1:6443", "n1"]);
  assert(!agent.includes("--node-ip") && !agent.includes("--cgroup-parent"));
  const told = command({ ...options, nodeIp: "192.0.2.2", cgroupParent: "pods" }, "agent");
  equal(after(server, "--node"), "n1");
  assert(!command({ ...options, roles: ["server"] }, "server").includes("--node"));
  assertEquals([after(told, "--node-ip"), after(told, "--cgroup-parent")], ["192.0.2.2", "pods"]);
});

Deno.test("every socket that a process is handed exists, and all files lie in the data directory", () => {
  const roles = fc.subarray<"server" | "node">(["server", "node"], { minLength: 1 });
  fc.assert(fc.property(roles, fc.integer({ min: 1, max: 65_535 }), (roles, port) => {
    const { sockets, processes } = planComponents({ ...options, roles, port });
    const known = sockets.map(({ name }) => name);
    for (const process of processes) {
      for (const name of process.sockets) assert(known.includes(name));
      assert(process.logPath.startsWith(`${options.dataDir}/logs/`));
      equal(after(process.command, "--data-dir"), options.dataDir);
      assert(!process.command.includes("undefined"));
    }
  }));
});
