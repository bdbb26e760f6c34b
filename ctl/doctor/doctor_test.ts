import { deepEqual as assertEquals, equal, match, ok } from "node:assert/strict";
import type { Node, Pod } from "@k3ts/model/objects";
import { ok as good, problem, renderFindings, summary, warning } from "./finding.ts";
import {
  judgeCertificate,
  judgeForwarding,
  judgeKernel,
  judgeMemory,
  judgeNode,
  judgePacketRules,
  judgePods,
  judgeProcess,
  judgeSkew,
  judgeSpace,
} from "./judge.ts";
import { certificateFinding, inodeOfListener } from "./machine.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const DAY = 24 * 3600 * 1000;
const GIB = 1024 ** 3;

Deno.test("disk space is judged by what is free and by how many files fit", () => {
  const level = (free: number, total: number, inodes = 0, freeInodes = 0) =>
    judgeSpace({ path: "/d", free, total, inodes, freeInodes }).level;
  equal(level(50 * GIB, 100 * GIB), "ok");
  equal(level(10 * GIB, 100 * GIB), "warning");
  equal(level(2 * GIB, 100 * GIB), "problem");
  equal(level(GIB / 4, GIB), "problem");
  equal(level(50 * GIB, 100 * GIB, 1000, 10), "problem");
});

Deno.test("memory and kernel are judged by what /proc says", () => {
  equal(judgeMemory("MemTotal: 1 kB\nMemAvailable:    2000000 kB\n").level, "ok");
  equal(judgeMemory("MemAvailable:      1000 kB\n").level, "warning");
  equal(judgeKernel("6.1.0-13-amd64\n").level, "ok");
  equal(judgeKernel("5.10.0").level, "ok");
  equal(judgeKernel("5.4.0-generic").level, "problem");
  equal(judgeKernel("4.19.0").level, "problem");
});

Deno.test("a kernel that does not forward for pods is told", () => {
  equal(judgeForwarding("1\n").level, "ok");
  const off = judgeForwarding("0\n");
  equal(off.level, "problem");
  match(off.message + off.next, /ip_forward is 0\b.*sysctl -w net\.ipv4\.ip_forward=1/);
});

Deno.test("packet rules that somebody has taken away are told, whatever else has a table", () => {
  const tables = (...names: string[]) =>
    JSON.stringify({
      nftables: [{ metainfo: { version: "1" } }, ...names.map((name) => ({ table: { family: "ip", name } }))],
    });
  equal(judgePacketRules(tables("filter", "k3ts")).level, "ok");
  const gone = judgePacketRules(tables("filter", "k3ts-of-another"));
  equal(gone.level, "problem");
  match(gone.message, /table ip k3ts of nftables is gone/);
});

Deno.test("a clock that is off is told, with its direction", () => {
  equal(judgeSkew(1000).level, "ok");
  match(judgeSkew(-20_000).message, /20s ahead of/);
  const much = judgeSkew(5 * 60_000);
  equal(much.level, "problem");
  match(much.message, /5m behind/);
});

Deno.test("certificates are judged by what is left of their life", () => {
  const level = (from: number, to: number) =>
    judgeCertificate({ source: "/d/node/node.crt", notBefore: NOW + from * DAY, notAfter: NOW + to * DAY }, NOW).level;
  equal(level(-100, 265), "ok");
  equal(level(-300, 65), "warning");
  equal(level(-366, -1), "problem");
  equal(level(1, 366), "problem");
  equal(certificateFinding("x", "nonsense", NOW).level, "problem");
});

Deno.test("a process that does not run or does not stay is told, with its log", () => {
  const judge = (more: object) =>
    judgeProcess(
      { name: "agent", running: true, restarts: 0, startedAtMs: NOW - DAY, lastExit: "", ...more },
      NOW,
      "/d/logs/agent.log",
    );
  equal(judge({}).level, "ok");
  equal(judge({ restarts: 3, lastExit: "signal 9" }).level, "warning");
  equal(judge({ restarts: 3, startedAtMs: NOW - 5_000 }).level, "problem");
  const gone = judge({ running: false, lastExit: "exit 1" });
  equal(gone.level, "problem");
  match(gone.message + gone.next, /ended with exit 1.*\/d\/logs\/agent\.log/);
});

Deno.test("nodes are judged by their conditions", () => {
  const node = (conditions: object[], spec = {}) =>
    judgeNode({ metadata: { name: "n1" }, spec, status: { conditions } } as unknown as Node);
  const ready = { type: "Ready", status: "True" };
  equal(node([ready]).level, "ok");
  equal(node([ready], { unschedulable: true }).level, "warning");
  equal(node([ready, { type: "DiskPressure", status: "True", message: "full" }]).message, "DiskPressure: full");
  match(node([{ type: "Ready", status: "Unknown", message: "kubelet stopped posting" }]).message, /stopped posting/);
  equal(node([]).level, "problem");
});

Deno.test("pods that do not get on by themselves are named, a few of them", () => {
  const stuck = (name: string) =>
    ({
      metadata: { name, namespace: "web", creationTimestamp: "2025-12-31T00:00:00Z" },
      status: { containerStatuses: [{ name: "c", state: { waiting: { reason: "ImagePullBackOff", message: "no" } } }] },
    }) as unknown as Pod;
  const waiting = {
    metadata: { name: "p", namespace: "web", creationTimestamp: "2025-12-31T00:00:00Z" },
    status: { conditions: [{ type: "PodScheduled", status: "False", message: "no node fits" }] },
  } as unknown as Pod;
  const starting = {
    metadata: { name: "s", namespace: "web", creationTimestamp: "2025-12-31T23:59:50Z" },
    status: {
      conditions: waiting.status!.conditions,
      containerStatuses: [{ state: { waiting: { reason: "ContainerCreating" } } }],
    },
  } as unknown as Pod;
  assertEquals(judgePods([starting], NOW), [good("pods", "1, none of which needs help.")]);
  const [finding] = judgePods([...["a", "b", "c", "d", "e", "f"].map(stuck), waiting], NOW);
  match(finding!.message, /^web\/a: c ImagePullBackOff: no\n[\s\S]*\nand 2 more$/);
  equal(judgePods([waiting], NOW)[0]!.message, "web/p: no node: no node fits");
});

Deno.test("who listens on a port is found by its inode", () => {
  const text = "  sl  local_address rem_address   st ...\n" +
    "   0: 0100007F:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1\n" +
    "   1: 0100007F:192C 0100007F:0001 01 00000000:00000000 00:00000000 00000000     0        0 4343 1\n";
  equal(inodeOfListener(text, 6443), "4242");
  equal(inodeOfListener(text, 6444), undefined);
});

Deno.test("findings are lines in columns, with what to do below", () => {
  const text = renderFindings([good("disk", "fine"), problem("node n1", "one\ntwo", "do this")]);
  assertEquals(text.split("\n"), [
    "ok       disk     fine",
    "PROBLEM  node n1  one",
    "                  two",
    "                  → do this",
  ]);
  equal(summary([good("a", "b")]), "Nothing is wrong.");
  equal(summary([problem("a", "b"), warning("a", "b"), warning("c", "d")]), "1 problem, 2 warnings");
  ok(!text.includes("\u001b"));
});
