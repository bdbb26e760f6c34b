/** `deno task chaos` itself: a sound k3ts is found sound, and one that is broken is not. */
import { equal, match } from "node:assert/strict";
import { planFaults } from "../chaos/plan.ts";
import { type Output, type ProcessName, ROOT } from "../e2e/machine.ts";
import { brokenTree, type Fault, runIn } from "./broken_tree.ts";

const MINUTES = 0.5;
const COMMAND = ["run", "--quiet", "-A", "tests/chaos/main.ts", "--minutes", `${MINUTES}`, "--nodes", "2"];

/** Whose plan has kills only, and of this process early enough. */
function seedThatKills(process: ProcessName): number {
  for (let seed = 0;; seed++) {
    const plan = planFaults({ seed, round: 0, roundMs: MINUTES * 60_000, machines: ["n1", "n2"], kinds: ["kill"] });
    if (plan.some((fault) => fault.machine === "n1" && fault.process === process && fault.atMs > 5_000)) return seed;
  }
}

/** A k3ts with a fault of its own must turn the instrument red. @returns what it says */
async function ofBroken(fault: Fault, process: ProcessName): Promise<string> {
  await using tree = await brokenTree([fault]);
  const { code, stdout, stderr } = await tree.run([
    ...COMMAND,
    "--seed",
    `${seedThatKills(process)}`,
    "--faults",
    "kill",
  ]);
  equal(code, 1, `${stdout}${stderr}`);
  return stdout;
}

function said({ stdout, stderr }: Output): string {
  return `${stdout}${stderr}`;
}

Deno.test("what is used goes on while processes, disks, cables and clocks fail", async () => {
  const run = await runIn(ROOT, [...COMMAND, "--seed", "1"]);
  equal(run.code, 0, said(run));
  match(run.stdout, /^seed 1\n[^]*\d+ acknowledged writes, none lost[^]*\nsound\n$/);
});

Deno.test("an agent that starts containers anew when it starts is found", async () => {
  const keep = "  if (isRunning(counted)) return keep(plan, kind, container, counted);";
  const text = await ofBroken({
    file: "agent/pods/plan_run.ts",
    find: keep,
    replace: `  const began: number = (globalThis as { began?: number }).began ??= plan.now.wall;
  if (isRunning(counted) && counted.createdAt < began) {
    return void stop(plan, counted, { graceSeconds: 0, because: "The agent is new." });
  }
${keep}`,
  }, "agent");
  match(text, /!!! containers are not what they were:[^]*violations, seed \d+\n$/);
  match(text, /n1: agent killed\n/);
});

Deno.test("a store that acknowledges before it has written is found", async () => {
  const text = await ofBroken({
    file: "api/registry/group_commit.ts",
    find: "const appended = this.#writer.append({",
    replace: `const write = this.#writer.append.bind(this.#writer);
    const later = (batch: Parameters<typeof write>[0]) => {
      setTimeout(() => void write(batch).catch(() => {}), 1_000);
      return Promise.resolve();
    };
    const appended = later({`,
  }, "server");
  match(text, /^violation: .* was acknowledged at \S+ and not seen$/m);
  match(text, /^\d+ violations, seed \d+$/m);
});
