import { deepEqual, equal, rejects } from "node:assert/strict";
import { ROOT } from "../e2e/machine.ts";
import { brokenTree } from "./broken_tree.ts";

const FAULT = { file: "tests/faults/random.ts", find: "mulberry32", replace: "a constant" };

Deno.test("a broken tree is this one but for its fault, runs by itself, and is gone afterwards", async () => {
  let root: string;
  {
    await using tree = await brokenTree([FAULT]);
    root = tree.root;
    const text = await Deno.readTextFile(`${ROOT}/${FAULT.file}`);
    equal(await Deno.readTextFile(`${root}/${FAULT.file}`), text.replace("mulberry32", "a constant"));
    const script = `import { randomFrom } from "${root}/tests/faults/random.ts"; console.log(randomFrom(1)())`;
    await Deno.writeTextFile(`${root}/tests/try.ts`, script);
    const { code, stdout, stderr } = await tree.run(["run", "-A", "tests/try.ts"]);
    deepEqual([code, stderr], [0, ""]);
    equal(stdout.trim(), "0.6270739405881613");
  }
  await rejects(Deno.stat(root), Deno.errors.NotFound);
});

Deno.test("a fault whose text is not there exactly once is refused", async () => {
  await rejects(brokenTree([{ ...FAULT, find: "nothing like this" }]), /must have the text once: 0 times/);
  await rejects(brokenTree([{ ...FAULT, find: "state" }]), /must have the text once: \d+ times state/);
});
