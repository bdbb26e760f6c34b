/** The table of what passes: `docs/conformance.md`. */
import { type Cause, causeOf } from "./causes.ts";
import { groupByMessage } from "./messages.ts";
import { type Outcome, type Result, sigOf } from "./outcome.ts";

export interface TableInput {
  /** The names of all conformance tests of the suite. */
  all: readonly string[];
  sample: readonly string[];
  /** The newest of each test. */
  outcomes: ReadonlyMap<string, Outcome>;
  /** What the cluster lacked in the newest run. */
  causes: readonly Cause[];
  /** From the oldest to the newest. */
  history: readonly Result[];
}

const HISTORY_ROWS_MAX = 15;

export function renderTable({ all, sample, outcomes, causes, history }: TableInput): string {
  const known = all.flatMap((name) => outcomes.get(name) ?? []);
  const bad = known.filter(({ verdict }) => verdict !== "passed");
  const caused = bad.map((outcome) => [causeOf(causes, outcome.name, outcome.message ?? ""), outcome] as const);
  const open = caused.filter(([cause]) => cause === undefined).map(([, outcome]) => outcome);
  return [
    "# Conformance",
    "",
    "What the official end-to-end suite of Kubernetes says of k3ts: its conformance tests, unmodified, with authorisation on, against a cluster of at least two nodes. Written by `deno task conformance` ([how](instruments.md#conformance)); each test counts as it did when it last ran.",
    "",
    ...summary(all, sample, outcomes, history.at(-1)),
    "## By group",
    "",
    ...byGroup(all, outcomes),
    "## What does not exist yet",
    "",
    ...byCause(causes, caused),
    "## What else fails",
    "",
    ...byMessage(open),
    "## History",
    "",
    ...past(history),
  ].join("\n");
}

function summary(
  all: readonly string[],
  sample: readonly string[],
  outcomes: ReadonlyMap<string, Outcome>,
  newest: Result | undefined,
): string[] {
  const row = (what: string, names: readonly string[]) => {
    const verdicts = names.map((name) => outcomes.get(name)?.verdict);
    const passed = verdicts.filter((verdict) => verdict === "passed").length;
    const unknown = verdicts.filter((verdict) => verdict === undefined).length;
    return `| ${what} | ${passed} | ${names.length - passed - unknown} | ${unknown} | ${names.length} |`;
  };
  const suite = newest === undefined
    ? ""
    : `Suite ${newest.suite}, ${newest.nodes} nodes, ${newest.started.slice(0, 10)}.`;
  return [
    ...(suite === "" ? [] : [suite, ""]),
    "| | passed | failed | not run yet | all |",
    "|---|---|---|---|---|",
    row("all", all),
    row("the sample", sample),
    "",
  ];
}

function byGroup(all: readonly string[], outcomes: ReadonlyMap<string, Outcome>): string[] {
  const groups = Map.groupBy(all, sigOf);
  const rows = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([sig, names]) => {
    const ran = names.flatMap((name) => outcomes.get(name) ?? []);
    const passed = ran.filter(({ verdict }) => verdict === "passed").length;
    return `| ${sig} | ${passed} | ${ran.length - passed} | ${names.length - ran.length} |`;
  });
  return ["| group | passed | failed | not run yet |", "|---|---|---|---|", ...rows, ""];
}

function byCause(causes: readonly Cause[], caused: readonly (readonly [Cause | undefined, Outcome])[]): string[] {
  const rows = causes.map(({ capability }) => {
    const tests = caused.filter(([cause]) => cause?.capability === capability);
    return { capability, tests: tests.map(([, { name }]) => name) };
  }).filter(({ tests }) => tests.length > 0).sort((a, b) => b.tests.length - a.tests.length);
  if (rows.length === 0) return ["Nothing fails for that.", ""];
  return rows.flatMap(({ capability, tests }) => [
    `### ${capability} (${tests.length})`,
    "",
    ...tests.sort().map(item),
    "",
  ]);
}

function byMessage(open: readonly Outcome[]): string[] {
  if (open.length === 0) return ["Nothing.", ""];
  return groupByMessage(open).flatMap(({ message, outcomes }) => [
    `### ${outcomes.length} × ${code(message)}`,
    "",
    ...outcomes.map(({ name }) => name).sort().map(item),
    "",
  ]);
}

function past(history: readonly Result[]): string[] {
  const rows = history.slice(-HISTORY_ROWS_MAX).reverse().map((result) => {
    const passed = result.outcomes.filter(({ verdict }) => verdict === "passed").length;
    const minutes = (result.seconds / 60).toFixed(1);
    const commit = result.outcomes.at(-1)?.commit ?? "";
    const { started, selection, outcomes, nodes, parallel } = result;
    return `| ${
      started.slice(0, 16).replace("T", " ")
    } | \`${selection}\` | ${passed} of ${outcomes.length} | ${minutes} | ${nodes} | ${parallel} | ${commit} |`;
  });
  return [
    "| began | run | passed | minutes | nodes | at once | commit |",
    "|---|---|---|---|---|---|---|",
    ...rows,
    "",
  ];
}

function item(name: string): string {
  return `- ${name.replace(/ \[Conformance\]$/, "").replace(/[<>|*_]/g, "\\$&")}`;
}

/** As code, whatever is in it. */
function code(text: string): string {
  return `\`${text.replaceAll("`", "'")}\``;
}
