import { deepEqual, equal } from "node:assert/strict";
import { forgetFlows, parseFlows, staleFlows } from "./flows.ts";
import type { Port } from "./service_ports.ts";

const LISTED = `
udp      17 29 src=10.42.0.7 dst=10.43.0.5 sport=4000 dport=53 [UNREPLIED] src=10.42.0.2 dst=10.42.0.7 sport=5353 dport=4000 mark=0 use=1
udp      17 170 src=10.42.0.8 dst=10.43.0.5 sport=4001 dport=53 src=10.42.0.3 dst=10.42.0.8 sport=5353 dport=4001 [ASSURED] mark=0 use=1
udp      17 29 src=10.42.0.9 dst=10.43.0.5 sport=4002 dport=53 [UNREPLIED] src=10.43.0.5 dst=10.42.0.9 sport=53 dport=4002 mark=0 use=1
udp      17 29 src=192.0.2.9 dst=192.0.2.1 sport=4003 dport=30053 src=10.42.0.2 dst=192.0.2.9 sport=5353 dport=4003 mark=0 use=1
udp      17 29 src=192.0.2.1 dst=192.0.2.50 sport=4004 dport=30053 src=192.0.2.50 dst=192.0.2.1 sport=30053 dport=4004 mark=0 use=1
tcp      6 100 ESTABLISHED src=10.42.0.7 dst=10.43.0.5 sport=4000 dport=53 src=10.42.0.2 dst=10.42.0.7 sport=5353 dport=4000 [ASSURED] mark=0 use=1
`;

const PORT: Port = {
  name: "dns",
  protocol: "udp",
  port: 53,
  nodePort: 30053,
  clusterAddresses: ["10.43.0.5"],
  externalAddresses: [],
  balancedAddresses: [],
  sourceRanges: [],
  backends: [{ address: "10.42.0.3", port: 5353 }],
  localBackends: [],
  internalLocal: false,
  externalLocal: false,
};

Deno.test("only what leads to a Service and not to one of its endpoints is forgotten", () => {
  const stale = staleFlows(parseFlows(LISTED), [PORT], []);
  deepEqual(stale.map(({ sourcePort, answers }) => [sourcePort, answers]), [
    [4000, "10.42.0.2"], // an endpoint that is gone
    [4002, "10.43.0.5"], // sent before there was a rule
    [4003, "10.42.0.2"], // by the node port; to the same port of another machine anybody may speak
  ]);
});

Deno.test("what leads to a host port and not to the pod that has it now is forgotten, also what came when none had it", () => {
  const hostPort = { protocol: "udp", hostPort: 7777, podAddress: "10.42.0.3", containerPort: 7777 } as const;
  const flow = (sourcePort: number, answers: string, more = "") =>
    `udp 17 29 src=192.0.2.9 dst=192.0.2.1 sport=${sourcePort} dport=7777 ${more}` +
    `src=${answers} dst=192.0.2.9 sport=7777 dport=${sourcePort} mark=0 use=1\n`;
  const listed = flow(1, "10.42.0.2") + flow(2, "10.42.0.3") + flow(3, "192.0.2.1", "[UNREPLIED] ") +
    flow(4, "192.0.2.1");
  const portsOf = (...input: Parameters<typeof staleFlows>) => staleFlows(...input).map((one) => one.sourcePort);
  deepEqual(portsOf(parseFlows(listed), [], [hostPort]), [1, 3]);
  deepEqual(portsOf(parseFlows(listed), [], [{ ...hostPort, hostAddress: "192.0.2.1" }]), [1, 3, 4]);
  deepEqual(portsOf(parseFlows(listed), [], [{ ...hostPort, hostAddress: "192.0.2.2" }]), []);
});

Deno.test("TCP ends by itself", () => {
  equal(staleFlows(parseFlows(LISTED), [{ ...PORT, protocol: "tcp" }], []).length, 0);
});

Deno.test("a flow is named by all four of its parts", () => {
  equal(forgetFlows(parseFlows(LISTED).slice(0, 1)), "-D -p udp -s 10.42.0.7 -d 10.43.0.5 --sport 4000 --dport 53\n");
});
