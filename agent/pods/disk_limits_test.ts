import { equal, match } from "node:assert/strict";
import { aPod } from "@k3ts/model/testing";
import { diskLimitsOf, exceeded } from "./disk_limits.ts";

const MIB = 2 ** 20;
const limited = (name: string, limit?: string) => ({
  name,
  ...(limit !== undefined && { resources: { limits: { "ephemeral-storage": limit } } }),
});
const use = (volumes: Record<string, number>, containers: Record<string, number> = {}) => ({
  volumes: new Map(Object.entries(volumes)),
  containers: new Map(Object.entries(containers)),
});

Deno.test("a pod without limits is not measured, nor what is kept in memory", () => {
  equal(diskLimitsOf(aPod()), undefined);
  const memory = [{ name: "v", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } }, { name: "w", emptyDir: {} }];
  equal(diskLimitsOf(aPod({ spec: { volumes: memory } })), undefined);
});

Deno.test("a volume may be as large as its limit, and no larger", () => {
  const limits = diskLimitsOf(aPod({ spec: { volumes: [{ name: "v", emptyDir: { sizeLimit: "1Mi" } }] } }))!;
  equal(exceeded(limits, use({ v: MIB })), undefined);
  match(exceeded(limits, use({ v: MIB + 1 }))!, /^Usage of EmptyDir volume "v" exceeds the limit "1Mi"/);
});

Deno.test("all that a pod keeps counts where every container has a limit", () => {
  const one = diskLimitsOf(aPod({ spec: { containers: [limited("a", "1Mi"), limited("b")] } }))!;
  equal(exceeded(one, use({ v: 100 * MIB }, { a: MIB, b: 100 * MIB })), undefined);
  match(exceeded(one, use({}, { a: MIB + 1 }))!, /Container a exceeded its local ephemeral storage limit "1Mi"/);
  const both = diskLimitsOf(aPod({ spec: { containers: [limited("a", "1Mi"), limited("b", "1Mi")] } }))!;
  match(exceeded(both, use({ v: 2 * MIB }, { a: 1 }))!, /exceeds the total limit of containers 2097152/);
});
