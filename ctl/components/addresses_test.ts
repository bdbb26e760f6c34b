import { deepEqual as assertEquals, equal, throws } from "node:assert/strict";
import { apiAddresses, type Machine, refuseForeign } from "./addresses.ts";

const machine: Machine = { hostname: "m1", addresses: ["192.0.2.1", "198.51.100.1"] };

Deno.test("without --listen the API is for this machine and its pods", () => {
  assertEquals(apiAddresses([], [], machine), {
    listen: ["127.0.0.1", "10.42.0.1"],
    names: ["127.0.0.1", "10.42.0.1"],
    advertise: "10.42.0.1",
  });
});

Deno.test("others find it, and its pods too, where it was told to listen", () => {
  assertEquals(apiAddresses(["198.51.100.1"], ["k3ts.example"], machine), {
    listen: ["127.0.0.1", "198.51.100.1"],
    names: ["127.0.0.1", "198.51.100.1", "k3ts.example"],
    advertise: "198.51.100.1",
    outside: "198.51.100.1",
  });
  assertEquals(apiAddresses(["2001:db8::1", "192.0.2.1"], [], machine).advertise, "192.0.2.1");
});

Deno.test("everywhere: one socket, a certificate for every address, the way out for pods", () => {
  assertEquals(apiAddresses(["0.0.0.0"], [], machine), {
    listen: ["0.0.0.0"],
    names: ["127.0.0.1", "m1", "192.0.2.1", "198.51.100.1"],
    advertise: "192.0.2.1",
    outside: "192.0.2.1",
  });
  equal(apiAddresses(["0.0.0.0"], [], { ...machine, addresses: [] }).outside, undefined);
});

Deno.test("what is no address, or none that pods can reach, is refused", () => {
  throws(() => apiAddresses(["localhost"], [], machine), /--listen must be an address of this machine/);
  throws(
    () => apiAddresses(["192.0.2.9"], [], machine),
    /which has 192\.0\.2\.1, 198\.51\.100\.1: it is "192\.0\.2\.9"/,
  );
  throws(() => apiAddresses(["2001:db8::1"], [], machine), /--listen must also have an IPv4 address/);
});

Deno.test("a node is reached by an address of its own machine alone", () => {
  refuseForeign("192.0.2.1", machine.addresses);
  for (const address of ["1.2.3.4", "127.0.0.1", "fe80::1", "n1", ""]) {
    throws(() => refuseForeign(address, machine.addresses), {
      message: "--node-ip must be an IPv4 address of this machine, which has 192.0.2.1, 198.51.100.1: " +
        `it is "${address}".`,
    });
  }
});
