import { equal, ok as assert } from "node:assert/strict";
import type { EndpointSlice, Service } from "@k3ts/model/objects";
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

function rules(over: Partial<RulesInput> = {}): string {
  return planRules({
    services: [],
    slices: [],
    nodeName: "n1",
    bridge: "k3ts0",
    podCidr: "10.42.0.0/16",
    serviceCidr: "10.43.0.0/16",
    leaving: new Set(),
    ...over,
  });
}

const GOLDEN = `  chain service-default-web-80-f3c2f3ec {
    numgen random mod 2 vmap { 0 : goto endpoint-default-web-80-f3c2f3ec-10.42.0.2-8080, 1 : goto endpoint-default-web-80-f3c2f3ec-10.42.0.3-8080 }
  }
  chain endpoint-default-web-80-f3c2f3ec-10.42.0.2-8080 {
    ip saddr 10.42.0.2 jump mark-masquerade
    meta l4proto tcp dnat to 10.42.0.2:8080
  }
  chain endpoint-default-web-80-f3c2f3ec-10.42.0.3-8080 {
    ip saddr 10.42.0.3 jump mark-masquerade
    meta l4proto tcp dnat to 10.42.0.3:8080
  }
}
`;

Deno.test("a Service sends each connection to one of its endpoints", () => {
  const script = rules({ services: [service("web")], slices: [slice("web", ["10.42.0.3", "10.42.0.2"])] });
  assert(script.startsWith("table ip k3ts\ndelete table ip k3ts\n"), "the table is replaced as a whole");
  assert(script.includes("10.43.0.5 . tcp . 80 : goto service-default-web-80-f3c2f3ec"));
  assert(script.endsWith(GOLDEN), script);
});

Deno.test("the order in which Services and endpoints come changes nothing", () => {
  const services = [service("web"), service("api", { clusterIP: "10.43.0.6", clusterIPs: ["10.43.0.6"] })];
  const slices = [slice("web", ["10.42.0.3", "10.42.0.2"]), slice("api", ["10.42.0.4"])];
  equal(rules({ services, slices }), rules({ services: services.toReversed(), slices: slices.toReversed() }));
});

Deno.test("a Service without endpoints refuses", () => {
  const script = rules({ services: [service("web")] });
  assert(script.includes("10.43.0.5 . tcp . 80 : goto refuse"));
  assert(!script.includes("chain service-default-web"));
});

Deno.test("an endpoint that is not ready gets nothing, one that ends is used when there is no other", () => {
  const unready = rules({ services: [service("web")], slices: [slice("web", ["10.42.0.2"], { ready: false })] });
  assert(unready.includes("10.43.0.5 . tcp . 80 : goto refuse"));
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

Deno.test("session affinity keeps a client at its endpoint", () => {
  const affine = service("web", { sessionAffinity: "ClientIP" });
  assert(
    rules({ services: [affine], slices: [slice("web", ["10.42.0.2", "10.42.0.3"])] }).includes("jhash ip saddr mod 2"),
  );
});

Deno.test("a node port is reached on every address of the node but loopback", () => {
  const open = service("web", { type: "NodePort", ports: [{ name: "http", port: 80, nodePort: 30080 }] });
  const script = rules({ services: [open], slices: [slice("web", ["10.42.0.2"])] });
  assert(script.includes("tcp . 30080 : goto external-default-web-80-f3c2f3ec"));
  assert(script.includes("fib daddr type local ip daddr != 127.0.0.0/8"));
});

Deno.test("headless and external Services have no rules", () => {
  const none = [
    service("a", { clusterIP: "None", clusterIPs: ["None"] }),
    service("b", { type: "ExternalName", externalName: "example.org" }),
  ];
  equal(rules({ services: none }), rules());
});

Deno.test("nftables takes the script, again and again", async () => {
  const script = rules({
    services: [
      service("web", { type: "NodePort", ports: [{ name: "http", port: 80, nodePort: 30080 }] }),
      service("none", { clusterIP: "10.43.0.9", clusterIPs: ["10.43.0.9"] }),
    ],
    slices: [slice("web", ["10.42.0.2", "10.42.0.3"])],
  });
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, script);
    // In a network namespace of its own, which ends with the command.
    const { code, stderr } = await new Deno.Command("unshare", {
      args: ["-n", "sh", "-c", `nft -f ${file} && nft -f ${file}`],
    }).output();
    equal(code, 0, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(file);
  }
});
