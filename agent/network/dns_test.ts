import { deepEqual as assertEquals, equal } from "node:assert/strict";
import type { EndpointSlice, Service } from "@k3ts/model/objects";
import { planDns } from "./dns.ts";

const meta = (name: string) => ({ name, namespace: "shop", uid: name, resourceVersion: "1", creationTimestamp: "" });

function plan(services: Service[], slices: EndpointSlice[] = [], pods: { namespace: string; address: string }[] = []) {
  const snapshot = planDns({
    services,
    slices,
    pods,
    domain: "cluster.local",
    upstreams: ["192.0.2.53:53"],
    version: "1",
  });
  return Object.fromEntries(snapshot.names.map((one) => [one.name, one]));
}

Deno.test("a Service has a name, its named ports, and a way back", () => {
  const names = plan([{
    metadata: meta("web"),
    spec: { clusterIP: "10.43.0.5", ports: [{ name: "http", port: 80 }] },
  }]);
  assertEquals(names["web.shop.svc.cluster.local"]?.addresses, ["10.43.0.5"]);
  const srv = names["_http._tcp.web.shop.svc.cluster.local"]?.services[0];
  assertEquals([srv?.port, srv?.target], [80, "web.shop.svc.cluster.local"]);
  assertEquals(names["5.0.43.10.in-addr.arpa"]?.pointers, ["web.shop.svc.cluster.local"]);
});

Deno.test("a headless Service answers with its ready endpoints, each under a name of its own", () => {
  const slice: EndpointSlice = {
    metadata: { ...meta("db-1"), labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    ports: [{ name: "sql", port: 5432, protocol: "TCP" }],
    endpoints: [
      { addresses: ["10.42.0.3"], hostname: "db-0", conditions: { ready: true } },
      { addresses: ["10.42.0.4"], conditions: { ready: true } },
      { addresses: ["10.42.0.5"], conditions: { ready: false } },
    ],
  };
  const names = plan([{ metadata: meta("db"), spec: { clusterIP: "None" } }], [slice]);
  assertEquals(names["db.shop.svc.cluster.local"]?.addresses, ["10.42.0.3", "10.42.0.4"]);
  assertEquals(names["db-0.db.shop.svc.cluster.local"]?.addresses, ["10.42.0.3"]);
  assertEquals(names["10-42-0-4.db.shop.svc.cluster.local"]?.addresses, ["10.42.0.4"]);
  equal(names["_sql._tcp.db.shop.svc.cluster.local"]?.services.length, 2);
  assertEquals(names["3.0.42.10.in-addr.arpa"]?.pointers, ["db-0.db.shop.svc.cluster.local"]);
});

Deno.test("an external name is an alias, a pod is found by its address", () => {
  const external: Service = {
    metadata: meta("mail"),
    spec: { type: "ExternalName", externalName: "Mail.Example.org." },
  };
  const names = plan([external], [], [{ namespace: "shop", address: "10.42.0.9" }]);
  equal(names["mail.shop.svc.cluster.local"]?.canonicalName, "mail.example.org");
  assertEquals(names["10-42-0-9.shop.pod.cluster.local"]?.addresses, ["10.42.0.9"]);
});
