import { deepEqual, equal, match, ok } from "node:assert/strict";
import type { Run } from "@k3ts/bench/benchmark";
import { summarize } from "@k3ts/bench/summary";
import { type Output, ROOT } from "../e2e/machine.ts";
import { brokenTree } from "./broken_tree.ts";

const GET = "get ConfigMap, JSON, 1 in flight";

async function bench(...words: string[]): Promise<Output> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "bench", ...words],
    cwd: ROOT,
    stdin: "null",
  }).output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** Of `--json`. */
function runsOf({ stdout }: Output): Run[] {
  return stdout.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line));
}

function goalOf(run: Run, name: string) {
  return summarize(run).figures.find(({ figure }) => figure.name === name)!.goal;
}

Deno.test("what is compared with itself is not red, and its differences are called noise", async () => {
  const output = await bench("store", "--self", "--quick", "--rounds", "8", "--json");
  equal(output.code, 0, output.stderr);
  const [run] = runsOf(output) as [Run];
  deepEqual(run.sides.map(({ name }) => name), ["k3ts", "k3ts again"]);
  const verdicts = summarize(run).figures.flatMap(({ comparisons }) => comparisons.map(({ verdict }) => verdict));
  equal(verdicts.length, run.figures.length);
  // Of a hundred and twenty such intervals one is expected to miss.
  const wrong = verdicts.filter((verdict) => verdict === "better" || verdict === "worse");
  ok(wrong.length <= 1, verdicts.join(", "));
});

Deno.test("reads that take 20 ms longer turn the API's benchmark red, and without them it is not", async () => {
  const words = ["api", "--quick", "--json"];
  const whole = await bench(...words);
  equal(goalOf(runsOf(whole)[0]!, GET) === "missed", false, whole.stderr);
  await using tree = await brokenTree([{
    file: "api/verbs/get.ts",
    find: '  authorize(request, "get", verbs);',
    replace: '  authorize(request, "get", verbs);\n  await new Promise((resolve) => setTimeout(resolve, 20));',
  }]);
  const broken = await tree.run(["task", "--quiet", "bench", ...words]);
  equal(broken.code, 1, broken.stderr);
  equal(goalOf(runsOf(broken)[0]!, GET), "missed", broken.stdout);
  match(broken.stderr, /^RED: api$/m);
});

Deno.test("what was not asked for rightly is refused before anything is measured", async () => {
  for (
    const [words, why] of [
      [["nothing"], /There is no benchmark "nothing"/],
      [["store", "--rounds", "0"], /--rounds must be a whole number of at least 1/],
      [["store", "--set", "pods=3"], /None of these benchmarks has the parameter "pods"/],
      [["store", "--quick", "--write"], /Only whole runs against peers are written/],
    ] as const
  ) {
    const { code, stderr, stdout } = await bench(...words);
    deepEqual([code, stdout], [2, ""]);
    match(stderr, why);
  }
});
