import { deepEqual, equal, throws } from "node:assert/strict";
import fc from "fast-check";
import { formatIPv4, isInIPv4Range, isIPv4, parseIPv4, parseIPv4Range } from "./ipv4.ts";

Deno.test("whatever the address, it is read as it was written", () => {
  fc.assert(fc.property(fc.nat(2 ** 32 - 1), (address) => equal(parseIPv4(formatIPv4(address)), address)));
});

Deno.test("what is no address is refused", () => {
  for (const text of ["", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", "1.2.3.-4", "1.2.3.4 ", "::1"]) {
    equal(isIPv4(text), false, text);
    throws(() => parseIPv4(text), RangeError);
  }
});

Deno.test("a range begins where its prefix says, whichever of its addresses names it", () => {
  deepEqual(parseIPv4Range("10.42.3.9/16"), { base: parseIPv4("10.42.0.0"), prefix: 16 });
  deepEqual(parseIPv4Range("255.1.2.3/0"), { base: 0, prefix: 0 });
  for (const text of ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "10.0.0/8"]) {
    throws(() => parseIPv4Range(text), /written like/);
  }
});

Deno.test("a range has its first and last address, and none beyond", () => {
  const range = parseIPv4Range("10.42.0.0/24");
  const has = (address: string) => isInIPv4Range(range, parseIPv4(address));
  deepEqual(["10.41.255.255", "10.42.0.0", "10.42.0.255", "10.42.1.0"].map(has), [false, true, true, false]);
});
