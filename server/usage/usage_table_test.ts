import { equal } from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { FakeClock } from "@k3ts/model/testing";
import { ReportUsageRequestSchema } from "@k3ts/proto";
import { UsageTable } from "./usage_table.ts";

const report = (cpuNanocores: bigint) =>
  create(ReportUsageRequestSchema, {
    node: { windowMs: 15_000, cpuNanocores, memoryBytes: 1024n },
    pods: [{ uid: "u1", containers: [{ name: "c", usage: { windowMs: 15_000, cpuNanocores, memoryBytes: 1n } }] }],
  });

Deno.test("the newest word of a node counts, until it has been silent for long", () => {
  const clock = new FakeClock();
  const table = new UsageTable(clock);
  table.put("n1", report(1n));
  table.put("n1", report(2n));
  clock.jump(7_200_000);
  equal(table.ofNode("n1")?.usage.cpuNanocores, 2n);
  clock.jump(-14_400_000);
  clock.advance(61_000);
  equal(table.ofNode("n1"), undefined);
  equal(table.ofPod("n1", "u1"), undefined);
});

Deno.test("of a pod only the node that it is on is heard", () => {
  const table = new UsageTable(new FakeClock());
  table.put("n1", report(1n));
  equal(table.ofPod("n2", "u1"), undefined);
  equal(table.ofPod("n1", "u1")?.usage[0]?.name, "c");
});
