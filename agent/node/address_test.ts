import { equal } from "node:assert/strict";
import { type AddressSources, findNodeAddress } from "./address.ts";

/** @param ways the address that this machine speaks from, by whom it speaks to */
function machine(ways: Record<string, string>, interfaces: Record<string, string> = {}): AddressSources {
  return {
    network: {
      findSource: ({ destination = "" }) => {
        const address = ways[destination];
        return address === undefined
          ? Promise.reject(new Error("no way"))
          : Promise.resolve({ $typeName: "k3ts.v1.FindSourceResponse", address });
      },
    },
    interfaces: () => Object.entries(interfaces).map(([name, address]) => ({ name, family: "IPv4", address })),
    resolve: (host) =>
      host === "k3ts.example" ? Promise.resolve(["198.51.100.9"]) : Promise.reject(new Error("no name")),
  };
}

Deno.test("a node is reached where it speaks to the server from, by address or by name", async () => {
  const sources = machine({ "198.51.100.9": "198.51.100.2", "192.0.2.1": "203.0.113.2" });
  equal(await findNodeAddress("https://198.51.100.9:6443", sources), "198.51.100.2");
  equal(await findNodeAddress("https://k3ts.example:6443", sources), "198.51.100.2");
});

Deno.test("beside the server, or where its name is not known now, it is the address of the way out", async () => {
  const sources = machine({ "127.0.0.1": "127.0.0.1", "192.0.2.1": "203.0.113.2" });
  equal(await findNodeAddress("https://127.0.0.1:6443", sources), "203.0.113.2");
  equal(await findNodeAddress("https://unknown.example", sources), "203.0.113.2");
  equal(await findNodeAddress("https://[::1]:6443", sources), "203.0.113.2");
});

Deno.test("without a way out it is an address that it has, but none of ours", async () => {
  const interfaces = { lo: "127.0.0.1", k3ts0: "10.42.0.1", eth0: "203.0.113.2" };
  equal(await findNodeAddress("https://127.0.0.1:6443", machine({}, interfaces)), "203.0.113.2");
  equal(await findNodeAddress("https://127.0.0.1:6443", machine({}, { lo: "127.0.0.1" })), "127.0.0.1");
});
