/** That the conformance instrument sees a k3ts that is wrong, and nothing wrong with the one that is here. */
import { equal, match } from "node:assert/strict";
import type { Result } from "../conformance/outcome.ts";
import { brokenTree, type Fault } from "./broken_tree.ts";

/** One that needs no pods, and reads what it has patched. */
const FOCUS = "ConfigMap should run through a ConfigMap lifecycle";

/** Deletions of collections answer as if they had done it. */
const FAULT: Fault = {
  file: "api/verbs/delete_collection.ts",
  find: "page.objects.slice(from, from + AT_ONCE_MAX)",
  replace: "page.objects.slice(from, from)",
};

async function verdicts(faults: Fault[]): Promise<{ code: number; said: string; result: Result }> {
  await using tree = await brokenTree(faults);
  const folder = await Deno.makeTempDir();
  try {
    const words = ["task", "conformance", "--focus", FOCUS, "--folder", folder];
    const { code, stdout, stderr } = await tree.run(words);
    const said = `${stdout}${stderr}`;
    const [run] = Array.from(Deno.readDirSync(folder));
    if (run === undefined) throw new Error(`The instrument has left no result:\n${said}`);
    return { code, said, result: JSON.parse(await Deno.readTextFile(`${folder}/${run.name}/result.json`)) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("what is here passes a test of the suite", async () => {
  const { code, said, result } = await verdicts([]);
  equal(code, 0, said);
  equal(result.outcomes.length, 1, said);
  equal(result.outcomes[0]!.verdict, "passed", said);
  equal(result.served.includes("core/configmaps"), true);
});

Deno.test("an API that says it has deleted what it has not turns it red", async () => {
  const { code, said, result } = await verdicts([FAULT]);
  equal(code, 1, said);
  equal(result.outcomes[0]!.verdict, "failed", said);
  match(result.outcomes[0]!.message!, /ConfigMap is still present after being deleted by collection/);
  match(said, /FAILED .*ConfigMap lifecycle/);
});
