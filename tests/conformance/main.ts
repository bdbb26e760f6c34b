/**
 * `deno task conformance`: the conformance tests of the official suite, unmodified, against a cluster of k3ts that is
 * made for them. Exits with 1 when a test fails for whose failure no capability that is lacking is to blame.
 */
import { ensureKubectl } from "@k3ts/tools/kubectl";
import { ensureImages } from "@k3ts/tools/images";
import { ensurePeer } from "@k3ts/tools/peers";
import { ROOT } from "../e2e/machine.ts";
import { type Cause, causeOf, causesIn, lacks } from "./causes.ts";
import { execute } from "./execute.ts";
import { RunFolder, unfinished } from "./folder.ts";
import { readHistory, writeHistory } from "./history.ts";
import { type Options, parseOptions, selectionText, USAGE } from "./options.ts";
import { newestOutcomes, type Outcome, type Result } from "./outcome.ts";
import { SAMPLE } from "./sample.ts";
import { conformanceTests, type Suite, SUITE_VERSION } from "./suite.ts";
import { renderTable } from "./table.ts";

const TABLE = `${ROOT}/docs/conformance.md`;

const say = (line: string) => console.log(line);

async function main(args: string[]): Promise<number> {
  if (args.includes("--help")) {
    say(USAGE);
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
  return await conformance(options);
}

async function conformance(options: Options): Promise<number> {
  const suite: Suite = { program: await ensurePeer("e2e.test", say), kubectl: await ensureKubectl() };
  const all = await conformanceTests(suite);
  const folders = await RunFolder.all(options.folder ?? RunFolder.usual);
  const known = newestOutcomes([...await readHistory(), ...folders.map(({ result }) => result)]);
  const folder = await folderFor(options, all, known, folders);
  if (folder === undefined) {
    console.error(`No conformance test is chosen by ${selectionText(options.selection)}.`);
    return 2;
  }
  const { result } = folder;
  // Before a cluster waits for them.
  await ensureImages([], say);
  // Nothing is there before that would have to be taken away.
  const cutOff = await execute({ folder, options, suite, known, say }, whenToldToEnd())
    .finally(() => say(`${folder.path}/result.json`));
  if (cutOff !== undefined) {
    console.error(`Cut off: ${cutOff}. The same command goes on from here.`);
    return 3;
  }
  if (result.finished === undefined) {
    say("The time is over. The same command goes on from here.");
    return 3;
  }
  if (options.selection.kind !== "focus") await publish(result, all);
  return judge(result, causesIn(result.served));
}

function whenToldToEnd(): AbortSignal {
  const told = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => told.abort(new Error(`told to end by ${name}`)));
  }
  return told.signal;
}

/** Goes on with a run of the same tests that was cut off, or begins a new one. @returns undefined without any test */
async function folderFor(
  options: Options,
  all: readonly string[],
  known: ReadonlyMap<string, Outcome>,
  folders: readonly RunFolder[],
): Promise<RunFolder | undefined> {
  const selection = selectionText(options.selection);
  const old = options.fresh ? undefined : unfinished(folders, selection, SUITE_VERSION);
  if (old !== undefined) return old;
  const { nodes, parallel } = options;
  const tests = chosen(options, all, known);
  if (tests.length === 0) return undefined;
  const empty = { seconds: 0, served: [], tests, outcomes: [] };
  const started = new Date().toISOString();
  const result: Result = { selection, suite: SUITE_VERSION, nodes, parallel, started, ...empty };
  return await RunFolder.make(options.folder ?? RunFolder.usual, result);
}

function chosen({ selection }: Options, all: readonly string[], known: ReadonlyMap<string, Outcome>): string[] {
  switch (selection.kind) {
    case "all":
      return [...all];
    case "sample":
      return SAMPLE.slice(0, selection.count);
    case "focus":
      return all.filter((name) => selection.pattern.test(name));
    case "failed":
      return all.filter((name) => known.has(name) && known.get(name)!.verdict !== "passed");
  }
}

/** A file of history, and the table of all that is known. */
async function publish(result: Result, all: readonly string[]): Promise<void> {
  const path = await writeHistory(result);
  const history = await readHistory();
  const outcomes = newestOutcomes(history);
  await Deno.writeTextFile(
    TABLE,
    renderTable({ all, sample: SAMPLE, outcomes, causes: causesIn(result.served), history }),
  );
  say(`${path}\n${TABLE}`);
}

/** @returns the exit code */
function judge({ outcomes }: Result, causes: readonly Cause[]): number {
  const bad = outcomes.filter(({ verdict }) => verdict !== "passed");
  const open = bad.filter(({ name, message }) => causeOf(causes, name, message ?? "") === undefined);
  const lacking = bad.length - open.length;
  say(
    `${outcomes.length - bad.length} passed, ${bad.length} failed` +
      (lacking > 0 ? `, of which ${lacking} are about what does not exist yet` : ""),
  );
  for (const { name } of outcomes.filter(({ name, verdict }) => verdict === "passed" && lacks(causes, name))) {
    say(`causes.ts is wrong about what does not exist, or what it is needed for, as this passes: ${name}`);
  }
  return open.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
