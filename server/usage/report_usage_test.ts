import { equal, rejects } from "node:assert/strict";
import { createClient, createRouterTransport } from "@connectrpc/connect";
import { authenticatedUser } from "@k3ts/api";
import { FakeClock } from "@k3ts/model/testing";
import { NodeService } from "@k3ts/proto";
import { reportUsage } from "./report_usage.ts";
import { UsageTable } from "./usage_table.ts";

function nodeAs(name: string, groups: string[], table: UsageTable) {
  const methods = reportUsage(table, () => Promise.resolve(authenticatedUser(name, groups)));
  return createClient(NodeService, createRouterTransport((router) => router.service(NodeService, methods)));
}

Deno.test("a node speaks for itself, whatever else it says, and nobody for a node", async () => {
  const table = new UsageTable(new FakeClock());
  const usage = { windowMs: 1_000, cpuNanocores: 1n, memoryBytes: 1n };
  await nodeAs("system:node:n1", ["system:nodes"], table).reportUsage({ node: usage });
  equal(table.ofNode("n1")?.usage.cpuNanocores, 1n);
  for (const [name, groups] of [["admin", ["system:masters"]], ["system:node:n1", []]] as const) {
    await rejects(nodeAs(name, [...groups], table).reportUsage({ node: usage }), /the node itself must say it/);
  }
});

Deno.test("more than a machine runs is refused", async () => {
  const pods = Array.from({ length: 2_001 }, (_, index) => ({ uid: `${index}`, containers: [] }));
  await rejects(
    nodeAs("system:node:n1", ["system:nodes"], new UsageTable(new FakeClock())).reportUsage({ pods }),
    /2000 pods and 10000 containers: there are 2001 and 0/,
  );
});
