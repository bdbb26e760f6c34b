import { deepEqual, equal, match } from "node:assert/strict";
import { examineHealth, judgeAgent, judgeDataplane, judgeGateway } from "./health.ts";

const levels = (findings: { level: string }[]) => findings.map(({ level }) => level);

Deno.test("what an agent says of itself is told check by check", () => {
  deepEqual(levels(judgeAgent("[+]ping ok\n[+]runtime ok\nhealthz check passed\n")), ["ok"]);
  const [finding] = judgeAgent("[+]ping ok\n[-]network failed: the bridge k3ts0 is gone\nhealthz check failed\n");
  equal(finding?.level, "problem");
  match(finding.message, /^network: the bridge k3ts0 is gone$/);
  deepEqual(levels(judgeAgent("<html>")), ["problem"]);
});

Deno.test("figures are told only where they mean something", () => {
  deepEqual(judgeGateway("k3ts_gateway_requests_waiting 0\n"), []);
  match(judgeGateway("k3ts_gateway_requests_waiting 12\n")[0]!.message, /^12 requests wait/);
  deepEqual(judgeDataplane("k3ts_dns_names 4\n"), []);
  deepEqual(levels(judgeDataplane("k3ts_dns_names 0\n")), ["warning"]);
});

Deno.test("a process that runs and does not answer is a problem", async () => {
  const folder = await Deno.makeTempDir();
  const findings = await examineHealth(folder, ["gateway", "agent", "server"]);
  await Deno.remove(folder);
  deepEqual(findings.map(({ level, subject }) => `${level} ${subject}`), ["problem gateway", "problem agent"]);
});
