import { equal } from "node:assert/strict";
import { delay } from "@k3ts/client";
import { createLog } from "@k3ts/client/telemetry";
import { type AddressSources, findNodeAddress, keepNodeAddress } from "./address.ts";

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

Deno.test("a node has the address that its machine gets after the agent has started, and keeps it while it is there", async () => {
  const ways: Record<string, string> = {};
  const interfaces: Record<string, string> = { lo: "127.0.0.1" };
  const sources = machine(ways, interfaces);
  const facts = { address: await findNodeAddress("https://198.51.100.9:6443", sources) };
  equal(facts.address, "127.0.0.1");
  const end = new AbortController();
  const log = createLog(() => {}, () => 0);
  let changes = 0;
  const kept = keepNodeAddress(facts, "https://198.51.100.9:6443", sources, () => changes++, log, end.signal, 1);
  const becomes = async (address: string) => {
    while (facts.address !== address) await delay(1, AbortSignal.timeout(10_000));
  };
  interfaces["eth0"] = ways["198.51.100.9"] = "198.51.100.2";
  await becomes("198.51.100.2");
  // Another way does not take it from an address that is still there.
  ways["198.51.100.9"] = "203.0.113.7";
  await delay(20, end.signal);
  equal(facts.address, "198.51.100.2");
  // Without any it stays what it was.
  delete interfaces["eth0"];
  delete ways["198.51.100.9"];
  await delay(20, end.signal);
  equal(facts.address, "198.51.100.2");
  interfaces["eth0"] = ways["198.51.100.9"] = "198.51.100.3";
  await becomes("198.51.100.3");
  end.abort();
  await kept;
  equal(changes, 2);
});
