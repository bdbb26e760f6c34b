/** The clients of examples/clients, made and run with the very commands of their README, beside one cluster. */
import { equal, match, ok } from "node:assert/strict";
import { createHash } from "node:crypto";
import { CACHE } from "@k3ts/tools/paths";
import { ROOT, TestCluster } from "./cluster.ts";

const CLIENTS = "examples/clients";

interface Example {
  language: string;
  /** Shell commands, to be run in the example's folder. */
  prepare: string;
  run: string;
}

Deno.test("clients in Go, Python and TypeScript list, watch and apply with the published .proto files", async (t) => {
  const examples = readExamples(await Deno.readTextFile(`${ROOT}/${CLIENTS}/README.md`));
  equal(examples.map(({ language }) => language).join(" "), "go python typescript");
  const copy = await copyOfExamples();
  for (const example of examples) await prepareOnce(example, copy);

  await using cluster = await TestCluster.start();
  for (const { language, run } of examples) {
    await t.step(language, async () => {
      const said = await cluster.run(["sh", "-c", run], { cwd: `${copy}/${CLIENTS}/${language}` });
      equal(said.code, 0, said.stderr);
      const name = `from-${language}`;
      match(said.stdout, /listed [1-9]\d* at revision \d+/);
      equal(
        said.stdout.slice(said.stdout.indexOf("applied")),
        [
          `applied ${name}: created`,
          `watched ADDED ${name}: greeting=hello`,
          `applied ${name}: changed`,
          `watched MODIFIED ${name}: greeting=hello again`,
          `deleted ${name}`,
          `watched DELETED ${name}: greeting=hello again`,
          `get ${name}: NotFound`,
          "",
        ].join("\n"),
      );
    });
  }
});

async function prepareOnce({ language, prepare }: Example, copy: string): Promise<void> {
  const done = `${copy}/${language}.prepared`;
  if (await Deno.stat(done).then(() => true, () => false)) return;
  const cwd = `${copy}/${CLIENTS}/${language}`;
  const { success, stderr } = await new Deno.Command("sh", { args: ["-c", prepare], cwd, stdin: "null" }).output();
  ok(success, `Cannot prepare the client in ${language}: ${new TextDecoder().decode(stderr)}`);
  await Deno.writeTextFile(done, prepare);
}

/** The rows of the table that says how to run them. */
function readExamples(readme: string): Example[] {
  return [...readme.matchAll(/^\| (\w+) \| `(.+?)` \| `(.+?)` \|/gm)]
    .map(([, language, prepare, run]) => ({ language: language!, prepare: prepare!, run: run! }));
}

/**
 * A copy with the contracts beside it, in the cache: what is made there stays for the next run of the same sources.
 * @returns what stands for the root of the checkout
 */
async function copyOfExamples(): Promise<string> {
  const hash = createHash("sha256");
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", CLIENTS, "proto/k3ts", "proto/buf.yaml"],
    cwd: ROOT,
  })
    .output();
  const files = new TextDecoder().decode(stdout).trim().split("\n");
  for (const file of files) hash.update(file).update(await Deno.readFile(`${ROOT}/${file}`));
  const copy = `${CACHE}/examples/${hash.digest("hex").slice(0, 16)}`;
  for (const file of files) {
    await Deno.mkdir(`${copy}/${file.slice(0, file.lastIndexOf("/"))}`, { recursive: true });
    await Deno.copyFile(`${ROOT}/${file}`, `${copy}/${file}`);
  }
  return copy;
}
