import { deepEqual, match } from "node:assert/strict";
import type { Pod } from "@k3ts/model/objects";
import { type HealthParts, nodeHealth } from "./health.ts";

const pod = { metadata: { namespace: "default", name: "web" } } as Pod;

const well: HealthParts = {
  runtime: { version: () => Promise.resolve({}) } as unknown as HealthParts["runtime"],
  network: { problem: undefined },
  manager: { busiest: () => ({ pod, ms: 5_000 }) },
  outbox: { waiting: { count: 3, msMax: 1_000 } },
};

Deno.test("a node is well while it gets on, also when something waits", async () => {
  const { live } = nodeHealth(well);
  for (const name of ["runtime", "syncloop", "outbox"]) deepEqual(await live[name]!(), undefined);
});

Deno.test("a pod or a status that is stuck is named", async () => {
  const { live } = nodeHealth({
    ...well,
    manager: { busiest: () => ({ pod, ms: 200_000 }) },
    outbox: { waiting: { count: 1, msMax: 300_000 } },
  });
  match(String(await live.syncloop!()), /^pod "default\/web" has been worked on for 200 s$/);
  match(String(await live.outbox!()), /^a status has been on its way for 300 s$/);
});
