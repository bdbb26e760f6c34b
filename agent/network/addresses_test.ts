import { deepEqual, equal, ok as assert, rejects, throws } from "node:assert/strict";
import { isInIPv4Range, parseIPv4, parseIPv4Range } from "@k3ts/model/objects";
import fc from "fast-check";
import { inDirectory } from "../testing/in_directory.ts";
import { Addresses, allocate, type Allocations, gatewayOf, release } from "./addresses.ts";

const RANGE = parseIPv4Range("10.42.0.0/29");

Deno.test("the first pod gets the address after the bridge's", () => {
  equal(gatewayOf("10.42.0.0/24"), "10.42.0.1");
  equal(allocate({ byPod: {} }, parseIPv4Range("10.42.0.0/24"), "a").address, "10.42.0.2");
});

Deno.test("a pod keeps its address", () => {
  const { after, address } = allocate({ byPod: {} }, RANGE, "a");
  equal(allocate(after, RANGE, "a").address, address);
});

Deno.test("an address that was freed is the last to be given again", () => {
  const a = allocate({ byPod: {} }, RANGE, "a");
  const b = allocate(release(a.after, "a"), RANGE, "b");
  assert(a.address !== b.address);
});

Deno.test("a full range says so", () => {
  let now: Allocations = { byPod: {} };
  for (const pod of ["a", "b", "c", "d", "e"]) now = allocate(now, RANGE, pod).after;
  throws(() => allocate(now, RANGE, "f"), /all 5 are taken/);
});

Deno.test("whatever comes and goes, no address is given twice or from outside the range", () => {
  const step = fc.record({ pod: fc.constantFrom("a", "b", "c", "d", "e"), gives: fc.boolean() });
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    let now: Allocations = { byPod: {} };
    for (const { pod, gives } of steps) now = gives ? allocate(now, RANGE, pod).after : release(now, pod);
    const given = Object.values(now.byPod);
    equal(new Set(given).size, given.length);
    assert(
      given.every((one) =>
        isInIPv4Range(RANGE, parseIPv4(one)) && one !== "10.42.0.0" && one !== "10.42.0.1" && one !== "10.42.0.7"
      ),
    );
  }));
});

Deno.test("addresses are there again after a restart, and begin anew in another range", () =>
  inDirectory(async (directory, files) => {
    const file = `${directory}/addresses.json`;
    const open = (range: string) => Addresses.open(file, range, files);
    const address = await (await open("10.42.0.0/24")).give("a");
    equal((await open("10.42.0.0/24")).of("a"), address);
    equal((await open("10.42.7.0/24")).of("a"), undefined);
  }));

Deno.test("an address that could not be written is not given before it is", () =>
  inDirectory(async (directory, files) => {
    const file = `${directory}/addresses.json`;
    const addresses = await Addresses.open(file, "10.42.0.0/24", files);
    await Deno.mkdir(file);
    await rejects(addresses.give("a"));
    await rejects(addresses.give("a"));
    await Deno.remove(file);
    const all = await Promise.all(["a", "b", "c"].map((pod) => addresses.give(pod)));
    const again = await Addresses.open(file, "10.42.0.0/24", files);
    deepEqual(["a", "b", "c"].map((pod) => again.of(pod)), all);
  }));
