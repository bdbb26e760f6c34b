import { deepEqual } from "node:assert/strict";
import { unexplained } from "./pids.ts";

Deno.test("a process that was killed is replaced, and the server takes its plugins along", () => {
  const killed = [{ name: "n1 server", at: 1_000 }];
  deepEqual(unexplained([{ name: "n1 server", at: 3_000 }, { name: "n1 plugins", at: 3_500 }], killed), []);
});

Deno.test("a process that nobody has killed has ended by itself", () => {
  const killed = [{ name: "n1 server", at: 10_000 }, { name: "n2 agent", at: 10_000 }];
  const ends = [
    { name: "n1 agent", at: 11_000 },
    { name: "n1 server", at: 9_000 },
    { name: "n2 agent", at: 100_000 },
    { name: "n1 gateway", at: 11_000 },
  ];
  deepEqual(unexplained(ends, killed), ends);
});
