/**
 * What `check` and `test` are made of: steps that run a program, each counted by the tests that it reports, or
 * as one test when it reports none.
 */
import { ROOT } from "./paths.ts";
import { run } from "./run.ts";

export interface Step {
  name: string;
  command: readonly string[];
  cwd?: string;
  env?: Record<string, string>;
}

export interface Count {
  passed: number;
  failed: number;
}

const DENO_SUMMARY = /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed/;
const CARGO_SUMMARY = /^test result: \w+\. (\d+) passed; (\d+) failed/;

/** @returns what one line of output adds to the count; undefined for any line that is not a summary. */
export function countOf(line: string): Count | undefined {
  // deno-lint-ignore no-control-regex -- colours are escape sequences
  const plain = line.replace(/\x1b\[[0-9;]*m/g, "").trim();
  const match = DENO_SUMMARY.exec(plain) ?? CARGO_SUMMARY.exec(plain);
  return match === null ? undefined : { passed: Number(match[1]), failed: Number(match[2]) };
}

/** Runs steps one after the other, to the last whatever fails, and prints `N passed, N failed` at the end. */
export async function runSteps(steps: readonly Step[]): Promise<Count> {
  const total: Count = { passed: 0, failed: 0 };
  const broken: string[] = [];
  for (const step of steps) {
    const { count, lines, seconds } = await runStep(step);
    total.passed += count.passed;
    total.failed += count.failed;
    const outcome = count.failed === 0 ? "ok" : "FAILED";
    console.log(
      `${outcome.padEnd(6)} ${step.name} (${count.passed} passed, ${count.failed} failed, ${seconds.toFixed(1)} s)`,
    );
    if (count.failed > 0) {
      broken.push(step.name);
      console.log(lines.map((line) => `    ${line}`).join("\n"));
    }
  }
  if (broken.length > 0) console.log(`Failed: ${broken.join(", ")}`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total;
}

async function runStep(step: Step): Promise<{ count: Count; lines: string[]; seconds: number }> {
  const lines: string[] = [];
  const count: Count = { passed: 0, failed: 0 };
  let summaries = 0;
  const started = performance.now();
  const onLine = (line: string) => {
    lines.push(line);
    if (lines.length > 2_000) lines.shift();
    const found = countOf(line);
    if (found === undefined) return;
    summaries++;
    count.passed += found.passed;
    count.failed += found.failed;
  };
  let code: number;
  try {
    code = await run(step.command, { cwd: step.cwd ?? ROOT, env: step.env, onLine });
  } catch (error) {
    lines.push(String(error));
    code = 1;
  }
  // A step that reports no tests counts as one, and a program that fails after passing tests has still failed.
  if (summaries === 0 && code === 0) count.passed = 1;
  if (code !== 0 && count.failed === 0) count.failed = 1;
  return { count, lines, seconds: (performance.now() - started) / 1000 };
}
