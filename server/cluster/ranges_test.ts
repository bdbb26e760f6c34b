import { equal, throws } from "node:assert/strict";
import { addressAt, nextNodeRange } from "./ranges.ts";

Deno.test("a node gets the first range that no other has", () => {
  equal(nextNodeRange("10.42.0.0/16", new Set()), "10.42.0.0/24");
  equal(nextNodeRange("10.42.0.0/16", new Set(["10.42.0.0/24", "10.42.2.0/24"])), "10.42.1.0/24");
});

Deno.test("a node gets the range that it had, where nobody else has it and it is one", () => {
  const taken = new Set(["10.42.0.0/24", "10.42.2.0/24"]);
  equal(nextNodeRange("10.42.0.0/16", taken, "10.42.7.0/24"), "10.42.7.0/24");
  for (const wished of ["10.42.2.0/24", "10.42.0.0/16", "10.42.7.0/25", "10.44.0.0/24", "0.0.0.0/0", "x"]) {
    equal(nextNodeRange("10.42.0.0/16", taken, wished), "10.42.1.0/24");
  }
});

Deno.test("a cluster whose ranges are all taken says so", () => {
  throws(() => nextNodeRange("10.42.7.0/24", new Set(["10.42.7.0/24"])), /all 1 are taken/);
});

Deno.test("addresses are counted from the start of their range", () => {
  equal(addressAt("10.43.0.0/16", 1), "10.43.0.1");
  equal(addressAt("10.43.3.9/16", 258), "10.43.1.2");
  throws(() => addressAt("10.43.0.0/33", 1), /written like/);
});
