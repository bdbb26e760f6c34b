import { deepEqual } from "node:assert/strict";
import { refuseDisruptions, tellDisruptions } from "./disruption.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const NONE = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };

Deno.test("a budget's condition follows its number, and its time moves only when it turns", () => {
  const at = (seconds: number) => NOW + seconds * 1000;
  const conditionOf = (status: typeof NONE & { conditions?: object[] }) => status.conditions?.[0];
  const first = tellDisruptions({ ...NONE, observedGeneration: 2 }, at(0));
  deepEqual(conditionOf(first), {
    type: "DisruptionAllowed",
    status: "False",
    observedGeneration: 2,
    lastTransitionTime: "2026-01-01T00:00:00Z",
    reason: "InsufficientPods",
    message: "",
  });
  const failed = refuseDisruptions({ ...first, disruptionsAllowed: 3 }, "no such owner", at(1));
  deepEqual([failed.disruptionsAllowed, failed.conditions?.[0]?.reason, failed.conditions?.[0]?.message], [
    0,
    "SyncFailed",
    "no such owner",
  ]);
  deepEqual(failed.conditions?.[0]?.lastTransitionTime, "2026-01-01T00:00:00Z");
  const allowed = tellDisruptions({ ...failed, disruptionsAllowed: 1 }, at(2));
  deepEqual([allowed.conditions?.[0]?.status, allowed.conditions?.[0]?.lastTransitionTime], [
    "True",
    "2026-01-01T00:00:02Z",
  ]);
});
