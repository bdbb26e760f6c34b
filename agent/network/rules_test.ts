import { deepEqual, equal, ok as assert } from "node:assert/strict";
import type { EndpointSlice, Service } from "@k3ts/model/objects";
import { type FoundTable, type PacketTable, planChange, unknownTable } from "./packet_table.ts";
import { planRules, type RulesInput } from "./rules.ts";

function service(name: string, spec: Partial<NonNullable<Service["spec"]>> = {}): Service {
  return {
    metadata: { name, namespace: "default", uid: name, resourceVersion: "1", creationTimestamp: "" },
    spec: {
      clusterIP: "10.43.0.5",
      clusterIPs: ["10.43.0.5"],
      type: "ClusterIP",
      ports: [{ name: "http", port: 80, protocol: "TCP" }],
      ...spec,
    },
  };
}

function slice(
  name: string,
  addresses: string[],
  conditions = { ready: true } as Record<string, boolean>,
): EndpointSlice {
  return {
    metadata: {
      name: `${name}-1`,
      namespace: "default",
      uid: `${name}-1`,
      resourceVersion: "1",
      creationTimestamp: "",
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: addresses.map((address) => ({ addresses: [address], conditions, nodeName: "n1" })),
  };
}

function plan(over: Partial<RulesInput> = {}): PacketTable {
  return planRules({
    services: [],
    slices: [],
    hostPorts: [],
    nodeName: "n1",
    bridge: "k3ts0",
    podCidr: "10.42.0.0/16",
    serviceCidr: "10.43.0.0/16",
    leaving: new Set(),
    ...over,
  });
}

function rules(over: Partial<RulesInput> = {}): string {
  return planChange("k3ts", undefined, plan(over));
}

const WEB = "default-web-80-f3c2f3ec";

function rulesOf(table: PacketTable, chain: string): readonly string[] | undefined {
  return table.chains.get(chain)?.rules;
}

function target(table: PacketTable, map: string, key: string): string | undefined {
  return table.maps.get(map)?.elements?.get(key);
}

Deno.test("a Service sends each connection to one of its endpoints", () => {
  const table = plan({ services: [service("web")], slices: [slice("web", ["10.42.0.3", "10.42.0.2"])] });
  equal(target(table, "services", "10.43.0.5 . tcp . 80"), `goto service-${WEB}`);
  deepEqual(rulesOf(table, `service-${WEB}`), [
    "ip saddr != 10.42.0.0/16 fib saddr type != local jump mark-masquerade",
    `numgen random mod 2 vmap { 0 : goto endpoint-${WEB}-10.42.0.2-8080, 1 : goto endpoint-${WEB}-10.42.0.3-8080 }`,
    `goto endpoint-${WEB}-10.42.0.3-8080`,
  ]);
  deepEqual(rulesOf(table, `endpoint-${WEB}-10.42.0.2-8080`), [
    "ip saddr 10.42.0.2 jump mark-masquerade",
    "meta l4proto tcp dnat to 10.42.0.2:8080",
  ]);
});

Deno.test("the order in which Services and endpoints come changes nothing", () => {
  const services = [service("web"), service("api", { clusterIP: "10.43.0.6", clusterIPs: ["10.43.0.6"] })];
  const slices = [slice("web", ["10.42.0.3", "10.42.0.2"]), slice("api", ["10.42.0.4"])];
  equal(rules({ services, slices }), rules({ services: services.toReversed(), slices: slices.toReversed() }));
});

Deno.test("a Service without endpoints refuses", () => {
  const table = plan({ services: [service("web")] });
  equal(target(table, "unserved", "10.43.0.5 . tcp . 80"), "goto refuse");
  equal(rulesOf(table, `service-${WEB}`), undefined);
});

Deno.test("whatever its ports, the address of a Service refuses the others, and that of none takes nothing", () => {
  const headless = service("headless", { clusterIP: "None", clusterIPs: ["None"] });
  const table = plan({ services: [service("web"), headless], slices: [slice("web", ["10.42.0.2"])] });
  deepEqual([...table.maps.get("cluster-addresses")!.elements!], [["10.43.0.5", "goto refuse"]]);
  deepEqual(rulesOf(table, "unmatched"), ["ip daddr vmap @cluster-addresses", "drop"]);
  for (const hook of ["prerouting", "output"]) {
    deepEqual(rulesOf(table, `unmatched-${hook}`), [
      "ct state new ip daddr 10.43.0.0/16 fib daddr type != local goto unmatched",
    ]);
  }
});

Deno.test("an endpoint that is not ready gets nothing, one that ends is used when there is no other", () => {
  const unready = plan({ services: [service("web")], slices: [slice("web", ["10.42.0.2"], { ready: false })] });
  equal(target(unready, "unserved", "10.43.0.5 . tcp . 80"), "goto refuse");
  const ending = { ready: false, serving: true, terminating: true };
  const last = rules({ services: [service("web")], slices: [slice("web", ["10.42.0.2"], ending)] });
  assert(last.includes("dnat to 10.42.0.2:8080"));
});

Deno.test("a pod on its way out is left out at once, unless it is the last", () => {
  const input = { services: [service("web")], slices: [slice("web", ["10.42.0.2", "10.42.0.3"])] };
  const script = rules({ ...input, leaving: new Set(["10.42.0.2"]) });
  assert(!script.includes("10.42.0.2") && script.includes("10.42.0.3"));
  const last = rules({ ...input, leaving: new Set(["10.42.0.2", "10.42.0.3"]) });
  assert(last.includes("10.42.0.2") && last.includes("10.42.0.3"));
});

Deno.test("session affinity keeps a client at its endpoint for as long as the Service says", () => {
  const affine = service("web", {
    sessionAffinity: "ClientIP",
    sessionAffinityConfig: { clientIP: { timeoutSeconds: 30 } },
  });
  const table = plan({ services: [affine], slices: [slice("web", ["10.42.0.2", "10.42.0.3"])] });
  const known = rulesOf(table, `service-${WEB}`)!.slice(1, 3);
  deepEqual(
    known,
    [2, 3].map((last) => `ip saddr @clients-${WEB}-10.42.0.${last}-8080 goto endpoint-${WEB}-10.42.0.${last}-8080`),
  );
  equal(
    rulesOf(table, `endpoint-${WEB}-10.42.0.2-8080`)![1],
    `update @clients-${WEB}-10.42.0.2-8080 { ip saddr timeout 30s }`,
  );
  deepEqual(table.sets.get(`clients-${WEB}-10.42.0.3-8080`), { seconds: 30 });
});

Deno.test("a node port is reached on every address of the node but loopback", () => {
  const open = service("web", { type: "NodePort", ports: [{ name: "http", port: 80, nodePort: 30080 }] });
  const table = plan({ services: [open], slices: [slice("web", ["10.42.0.2"])] });
  equal(target(table, "node-ports", "tcp . 30080"), `goto external-${WEB}`);
  deepEqual(rulesOf(table, `external-${WEB}`), ["jump mark-masquerade", `goto endpoint-${WEB}-10.42.0.2-8080`]);
  assert(rulesOf(table, "prerouting")![1]!.includes("ip daddr != { 127.0.0.0/8, 10.43.0.0/16 }"));
});

Deno.test("where the client's address is to be kept only this node's endpoints answer those outside", () => {
  const local = service("web", {
    type: "NodePort",
    externalTrafficPolicy: "Local",
    ports: [{ name: "http", port: 80, nodePort: 30080 }],
  });
  const elsewhere = slice("web", ["10.42.1.2"]);
  for (const endpoint of elsewhere.endpoints) endpoint.nodeName = "n2";
  const here = plan({ services: [local], slices: [slice("web", ["10.42.0.2"])] });
  equal(rulesOf(here, `external-${WEB}`)!.at(-1), `goto endpoint-${WEB}-10.42.0.2-8080`);
  const there = plan({ services: [local], slices: [elsewhere] });
  equal(target(there, "unserved-node-ports", "tcp . 30080"), "goto discard-external");
  equal(
    rulesOf(there, `external-${WEB}`)![0],
    `ip saddr 10.42.0.0/16 goto endpoint-${WEB}-10.42.1.2-8080`,
    "pods are not outside",
  );
});

Deno.test("inside, a Service of local traffic only uses this node's endpoints or is silent", () => {
  const local = service("web", { internalTrafficPolicy: "Local" });
  const elsewhere = slice("web", ["10.42.1.2"]);
  for (const endpoint of elsewhere.endpoints) endpoint.nodeName = "n2";
  const table = plan({ services: [local], slices: [elsewhere] });
  equal(target(table, "unserved", "10.43.0.5 . tcp . 80"), "goto discard");
  equal(target(table, "services", "10.43.0.5 . tcp . 80"), undefined);
});

Deno.test("a load balancer's address answers those whom its ranges name", () => {
  const balanced = service("web", { type: "LoadBalancer", loadBalancerSourceRanges: ["192.0.2.0/24"] });
  balanced.status = { loadBalancer: { ingress: [{ ip: "203.0.113.9" }] } };
  const table = plan({ services: [balanced], slices: [slice("web", ["10.42.0.2"])] });
  equal(target(table, "services", "203.0.113.9 . tcp . 80"), `goto external-${WEB}`);
  equal(target(table, "unserved", "203.0.113.9 . tcp . 80"), `goto guard-${WEB}`);
  deepEqual(rulesOf(table, `guard-${WEB}`), ["ip saddr { 192.0.2.0/24 } return", "drop"]);
});

Deno.test("a host port leads to its container, on the address that was asked for", () => {
  const port = { protocol: "tcp", hostPort: 8080, podAddress: "10.42.0.2", containerPort: 80 } as const;
  const table = plan({ hostPorts: [port, { ...port, hostAddress: "192.0.2.7", podAddress: "10.42.0.3" }] });
  equal(target(table, "node-ports", "tcp . 8080"), "goto host-port-tcp-any-8080");
  equal(target(table, "host-ports", "192.0.2.7 . tcp . 8080"), "goto host-port-tcp-192.0.2.7-8080");
});

Deno.test("a host port on loopback is for the machine itself, and opens no way to its loopback", () => {
  const port = { protocol: "tcp", hostPort: 8080, podAddress: "10.42.0.2", containerPort: 80 } as const;
  const table = plan({ hostPorts: [{ ...port, hostAddress: "127.0.0.1" }] });
  equal(target(table, "host-ports", "127.0.0.1 . tcp . 8080"), "goto host-port-tcp-127.0.0.1-8080");
  const leads = (chain: string) =>
    rulesOf(table, chain)!.some((rule) => rule.startsWith("ip daddr 127.0.0.0/8 ") && rule.includes("@host-ports"));
  deepEqual(["prerouting", "output"].map(leads), [false, true]);
  assert(rulesOf(table, "loopback")!.some((rule) => rule.endsWith("ip daddr 127.0.0.0/8 drop")));
});

Deno.test("no pod takes what is meant for a Service or for the cluster's DNS by a host port", () => {
  const port = { protocol: "udp", hostPort: 53, podAddress: "10.42.0.2", containerPort: 53 } as const;
  const table = plan({ hostPorts: [port, { ...port, hostAddress: "10.43.0.10" }] });
  const lookUps = ["prerouting", "output"].flatMap((chain) => rulesOf(table, chain)!);
  const forHostPorts = lookUps.filter((rule) => /@(host|node)-ports/.test(rule));
  equal(forHostPorts.length, 5);
  for (const rule of forHostPorts.filter((rule) => !rule.startsWith("ip daddr 127.0.0.0/8 "))) {
    assert(rule.startsWith("fib daddr type local ip daddr != { 127.0.0.0/8, 10.43.0.0/16 } "), rule);
  }
  equal(target(table, "services", "10.43.0.10 . udp . 53"), undefined);
});

Deno.test("no Service takes what is meant for another one, or for the cluster's DNS, by an external address", () => {
  const greedy = service("a-greedy-one", {
    clusterIP: "10.43.0.7",
    clusterIPs: ["10.43.0.7"],
    externalIPs: ["10.43.0.5", "10.43.0.10", "192.0.2.7"],
  });
  const slices = [slice("web", ["10.42.0.2"]), slice("a-greedy-one", ["10.42.0.3"])];
  const table = plan({ services: [greedy, service("web")], slices });
  equal(target(table, "services", "10.43.0.5 . tcp . 80"), `goto service-${WEB}`);
  equal(target(table, "services", "10.43.0.10 . tcp . 80"), undefined);
  assert(target(table, "services", "192.0.2.7 . tcp . 80") !== undefined);
  const empty = plan({ services: [greedy, service("web")], slices: slices.slice(0, 1) });
  equal(target(empty, "unserved", "10.43.0.5 . tcp . 80"), undefined);
});

Deno.test("no Service takes over where the API is served", () => {
  const kubernetes = service("kubernetes", { ports: [{ name: "https", port: 443 }] });
  const api = slice("kubernetes", ["192.0.2.1"]);
  api.ports = [{ name: "https", port: 6443 }];
  const greedy = service("a-greedy-one", {
    clusterIP: "10.43.0.7",
    clusterIPs: ["10.43.0.7"],
    externalIPs: ["192.0.2.1"],
    ports: [{ name: "http", port: 6443 }, { name: "other", port: 443 }],
  });
  for (const slices of [[api], [api, slice("a-greedy-one", ["10.42.0.3"])]]) {
    const table = plan({ services: [greedy, kubernetes], slices });
    for (const map of ["services", "unserved"]) equal(target(table, map, "192.0.2.1 . tcp . 6443"), "goto keep");
    equal(target(table, "services", "10.43.0.5 . tcp . 443")?.startsWith("goto service-default-kubernetes-443"), true);
  }
});

Deno.test("a connection that comes while endpoints are replaced is not left without one", () => {
  // The kernel empties the map of a rule that it replaces before it has let the rule go.
  const sticky = service("sticky", { sessionAffinity: "ClientIP", externalTrafficPolicy: "Local", type: "NodePort" });
  for (const one of [service("web"), sticky]) {
    const table = plan({ services: [one], slices: [slice(one.metadata.name, ["10.42.0.3", "10.42.0.2"])] });
    for (const { rules: all = [] } of table.chains.values()) {
      for (const [at, rule] of all.entries()) {
        const [where, map] = rule.split("numgen ", 2);
        if (map === undefined) continue;
        const choices = [...map.matchAll(/goto ([^ ,]+)/g)].map(([, chain]) => `${where}goto ${chain}`);
        assert(choices.includes(all[at + 1]!), `after ${rule} comes ${all[at + 1]}`);
      }
    }
  }
});

Deno.test("headless and external Services have no rules", () => {
  const none = [
    service("a", { clusterIP: "None", clusterIPs: ["None"] }),
    service("b", { type: "ExternalName", externalName: "example.org" }),
  ];
  equal(rules({ services: none }), rules());
});

/** Everything that rules are made of. */
function everything(): RulesInput["services"] {
  const balanced = service("balanced", {
    clusterIP: "10.43.0.8",
    clusterIPs: ["10.43.0.8"],
    type: "LoadBalancer",
    sessionAffinity: "ClientIP",
    externalTrafficPolicy: "Local",
    loadBalancerSourceRanges: ["192.0.2.0/24"],
    ports: [{ name: "http", port: 80, nodePort: 30081 }],
  });
  balanced.status = { loadBalancer: { ingress: [{ ip: "203.0.113.9" }] } };
  return [
    service("web", { type: "NodePort", ports: [{ name: "http", port: 80, nodePort: 30080 }] }),
    balanced,
    service("none", { clusterIP: "10.43.0.9", clusterIPs: ["10.43.0.9"] }),
  ];
}

Deno.test("nftables takes every change, and comes to the same as from nothing", async () => {
  const both = [slice("web", ["10.42.0.2", "10.42.0.3"]), slice("balanced", ["10.42.0.4", "10.42.0.5"])];
  const fewer = [slice("web", ["10.42.0.3"]), slice("balanced", ["10.42.0.4"])];
  const tables = [
    plan({ services: everything(), slices: both }),
    plan({ services: everything(), slices: fewer }),
    plan({ services: everything().slice(1), slices: both }),
    plan({ services: everything(), slices: [] }),
    plan({}),
    plan({ services: everything(), slices: both }),
  ];
  const folder = await Deno.makeTempDir();
  try {
    let before: PacketTable | undefined;
    let commands = "";
    for (const [index, table] of tables.entries()) {
      // Once as an agent that has just started, which knows the names only.
      const known = index === 2 && before !== undefined ? unknownTable(foundIn(before), table) : before;
      await Deno.writeTextFile(`${folder}/${index}`, planChange("k3ts", known, table));
      await Deno.writeTextFile(`${folder}/${index}.whole`, planChange("k3ts", undefined, table));
      // Elements have no order of their own.
      const list = `nft list table ip k3ts | tr -d ' \n\t' | tr ',{}' '\n\n\n' | sort`;
      commands += `nft -f ${folder}/${index}\n${list} > ${folder}/changed\n`;
      commands += `unshare -n sh -c "nft -f ${folder}/${index}.whole; ${
        list.replaceAll("\\", "\\\\")
      }" > ${folder}/whole\n`;
      commands += `cmp ${folder}/changed ${folder}/whole || { echo table ${index}; exit 1; }\n`;
      before = table;
    }
    // In a network namespace of its own, which ends with the command.
    const { code, stdout, stderr } = await new Deno.Command("unshare", { args: ["-n", "sh", "-ec", commands] })
      .output();
    equal(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function foundIn(table: PacketTable): FoundTable {
  return { chains: [...table.chains.keys()], maps: [...table.maps.keys()], sets: [...table.sets.keys()] };
}
