/**
 * `deno task conformance`: the conformance tests of the official suite, unmodified, against a cluster of k3ts that is
 * made for them. Exits with 1 when a test fails for whose failure no capability that is lacking is to blame.
 */
import { ensureKubectl } from "@k3ts/tools/kubectl";
import { ensureImages } from "@k3ts/tools/images";
import { ensurePeer } from "@k3ts/tools/peers";
import { output } from "@k3ts/tools/run";
import { ROOT } from "../e2e/machine.ts";
import { type Cause, causeOf, causesIn, lacks } from "./causes.ts";
import { Cluster } from "./cluster.ts";
import { RunFolder, unfinished } from "./folder.ts";
import { readHistory, writeHistory } from "./history.ts";
import { type Options, parseOptions, selectionText, USAGE } from "./options.ts";
import { newestOutcomes, type Outcome, type Result } from "./outcome.ts";
import { secondsLeft } from "./plan.ts";
import { outcomeLines, stateLines } from "./progress.ts";
import { runTests } from "./run.ts";
import { SAMPLE } from "./sample.ts";
import { conformanceTests, type Suite, SUITE_VERSION } from "./suite.ts";
import { renderTable } from "./table.ts";

const STATE_EVERY_MS = 60_000;
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
  const parent = options.folder ?? RunFolder.usual;
  const folders = await RunFolder.all(parent);
  const known = newestOutcomes([...await readHistory(), ...folders.map(({ result }) => result)]);
  const folder = await folderFor(options, all, known, folders, parent);
  const { result } = folder;
  const commit = await commitOf();
  if (result.tests.length === 0) {
    console.error(`No conformance test is chosen by ${result.selection}.`);
    return 2;
  }
  const done = new Set(result.outcomes.map(({ name }) => name));
  if (done.size > 0) say(`Goes on with the run of ${result.started}: ${done.size} of ${result.tests.length} are done.`);
  const images = new Set((await ensureImages([], say)).values());
  // Nothing is there before that would have to be taken away.
  const signal = whenToldToEnd();
  say(`A cluster of ${options.nodes} nodes is started for ${result.tests.length - done.size} tests.`);
  const startedMs = Date.now();
  const secondsBefore = result.seconds;
  const running = new Map<string, number>();
  const home = await Deno.makeTempDir({ prefix: "k3ts-conformance-" });
  let lost: unknown;
  try {
    await using cluster = await Cluster.start(options.nodes, images);
    result.served = await cluster.served();
    const causes = causesIn(result.served);
    const outline = () => {
      const estimate = secondsLeft({
        tests: result.tests,
        done,
        parallel: options.parallel,
        known,
      });
      const left = result.tests.length - done.size;
      return stateLines({ outcomes: result.outcomes, running, left, secondsLeft: estimate }, Date.now());
    };
    const timer = setInterval(() => outline().forEach(say), STATE_EVERY_MS);
    try {
      await runTests({
        suite,
        cluster,
        tests: result.tests,
        parallel: options.parallel,
        done,
        running,
        known,
        lacks: (name) => lacks(causes, name),
        logOf: (name) => `${folder.path}/${folder.logOf(name)}`,
        home,
        untilMs: options.sliceMinutes === undefined ? Infinity : Date.now() + options.sliceMinutes * 60_000,
        onOutcome: async (name, { runId: _, cleaned: __, ...conclusion }) => {
          const outcome: Outcome = {
            name,
            ...conclusion,
            log: folder.logOf(name),
            at: new Date().toISOString(),
            commit,
          };
          result.outcomes.push(outcome);
          result.seconds = secondsBefore + (Date.now() - startedMs) / 1_000;
          await folder.save();
          outcomeLines(outcome).forEach(say);
        },
      }, signal);
    } catch (error) {
      lost = error;
    } finally {
      clearInterval(timer);
      outline().forEach(say);
    }
  } finally {
    await Deno.remove(home, { recursive: true });
  }
  if (done.size === result.tests.length) result.finished = new Date().toISOString();
  await folder.save();
  say(`${folder.path}/result.json`);
  if (lost !== undefined) {
    console.error(`Cut off: ${lost instanceof Error ? lost.message : lost}. The same command goes on from here.`);
    return 3;
  }
  if (result.finished === undefined) {
    say("The time is over. The same command goes on from here.");
    return 0;
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

/** Goes on with a run of the same tests that was cut off, or begins a new one. */
async function folderFor(
  options: Options,
  all: readonly string[],
  known: ReadonlyMap<string, Outcome>,
  folders: readonly RunFolder[],
  parent: string,
): Promise<RunFolder> {
  const selection = selectionText(options.selection);
  const old = options.fresh ? undefined : unfinished(folders, selection, SUITE_VERSION);
  if (old !== undefined) return old;
  const { nodes, parallel } = options;
  const tests = chosen(options, all, known);
  const empty = { seconds: 0, served: [], tests, outcomes: [] };
  const started = new Date().toISOString();
  const result: Result = { selection, suite: SUITE_VERSION, nodes, parallel, started, ...empty };
  return await RunFolder.make(parent, result);
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

/** With a `+` when files differ from it. */
async function commitOf(): Promise<string> {
  // A copy of the sources may be no checkout.
  if (!await Deno.stat(`${ROOT}/.git`).then(() => true, () => false)) return "unknown";
  const commit = await output(["git", "rev-parse", "--short", "HEAD"], { cwd: ROOT });
  const changes = await output(["git", "status", "--porcelain", "--untracked-files=no"], { cwd: ROOT });
  return changes === "" ? commit : `${commit}+`;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
