import { deepEqual, equal, match } from "node:assert/strict";
import { compareHoldings, compareSizes } from "./leaks.ts";

Deno.test("what is more than it was is a leak, what was replaced is not", () => {
  const before = { mounts: ["a", "b"], addresses: ["10.42.0.2"] };
  deepEqual(compareHoldings(before, { mounts: ["b", "c"], addresses: ["10.42.0.9"] }), []);
  const [leak, ...rest] = compareHoldings(before, { mounts: ["a", "b", "c"], addresses: ["10.42.0.2"] });
  equal(rest.length, 0);
  match(leak!, /^mounts: 2 before and 3 now; new: c; gone: $/);
  match(compareHoldings(before, { ...before, addresses: [] }).join(), /addresses: 1 before and 0 now/);
});

Deno.test("a process may grow somewhat, but not to twice its size and more", () => {
  deepEqual(compareSizes({ server: 100, gateway: 4 }, { server: 240, gateway: 100 }), []);
  match(compareSizes({ server: 100 }, { server: 260 }).join(), /server holds 260 MB, and held 100 MB/);
  deepEqual(compareSizes({ server: 400 }, { server: 700 }), []);
});
