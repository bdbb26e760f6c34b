/** What people read of a run: lines for a terminal, Markdown for the documentation. Pure. */
import type { Goal, Run } from "./benchmark.ts";
import { CONFIDENCE } from "./statistics.ts";
import {
  type Comparison,
  FEW_ROUNDS_FACTOR,
  type FigureSummary,
  OTHERS_MAX,
  type Spread,
  summarize,
  type Summary,
} from "./summary.ts";

/** `1,234`, `12.3`, `1.23`: three digits or so. */
export function round(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return String(value);
  if (size >= 1000) return value.toFixed(0).replace(/\B(?=(\d{3})+$)/g, ",");
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 || size === 0 ? 2 : 3);
}

export function renderTerminal(run: Run): string {
  const summary = summarize(run);
  const rows = table(summary, (text) => text);
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  // The first column names, the others count.
  const line = (row: string[]) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ");
  return [
    `${run.benchmark}${run.quick ? " (quick: figures to see that it works)" : ""}: ${run.what}`,
    ...rows.map((row) => `  ${line(row).trimEnd()}`),
    ...remarks(run, summary).map((remark) => `  ${remark}`),
  ].join("\n");
}

export function renderMarkdown(run: Run): string {
  const summary = summarize(run);
  const [head, ...rows] = table(summary, (text) => `**${text}**`);
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    `## ${run.benchmark}`,
    "",
    run.what,
    "",
    line(head!),
    line(head!.map((_, column) => column === 0 ? "---" : "--:")),
    ...rows.map(line),
    "",
    [`\`${run.command}\`, ${run.at.slice(0, 10)}${run.commit === "" ? "" : `, ${run.commit}`}, on ${run.machine}.`]
      .concat(remarks(run, summary)).join(" "),
    "",
  ].join("\n");
}

const HEAD = `# Benchmarks

k3ts beside its peers. Written by \`deno task bench --write\` from what lies in \`bench/history/\`; nobody edits it. How
to run them and how to read them: [instruments.md](instruments.md#benchmarks); what was found with them:
[performance.md](performance.md).

Each figure is the median of the rounds, with the quartiles. The sides took turns in one run, and the ratio, ours ÷
theirs, is the median of the rounds' ratios, with its interval of ${
  CONFIDENCE * 100
} % confidence: what slows all sides down
leaves it as it is. *Better* and *worse* are said when the whole interval lies on one side of 1, *equal* when all of it is
within 5 % of 1, *too noisy* otherwise. A figure with a goal is **RED** when all of the interval misses it.

`;

/** The whole file of the newest run of each benchmark. */
export function renderDocument(runs: readonly Run[]): string {
  return HEAD + runs.map(renderMarkdown).join("\n");
}

function table({ figures, peers }: Summary, emphasize: (text: string) => string): string[][] {
  const goals = figures.some(({ goal }) => goal !== undefined);
  const head = ["", "unit", "k3ts", ...peers.flatMap((peer) => [peer, "ratio", ""]), ...goals ? ["goal"] : []];
  const rows = figures.map((summary) => [
    summary.figure.name,
    summary.figure.unit,
    spreadText(summary.ours),
    ...peers.flatMap((peer) => comparisonCells(summary.comparisons.find((one) => one.peer === peer))),
    ...goals ? [goalText(summary, emphasize)] : [],
  ]);
  return [head, ...rows];
}

function comparisonCells(comparison: Comparison | undefined): string[] {
  if (comparison === undefined) return ["–", "", ""];
  const { spread, ratio, low, high, verdict } = comparison;
  return [spreadText(spread), `${round(ratio)} (${round(low)}–${round(high)})`, verdict];
}

function spreadText({ median, low, high }: Spread): string {
  return `${round(median)} (${round(low)}–${round(high)})`;
}

function goalText({ figure, goal }: FigureSummary, emphasize: (text: string) => string): string {
  if (figure.goal === undefined || goal === undefined) return "";
  const text = `${figure.better === "less" ? "≤" : "≥"} ${bound(figure.goal)}`;
  return goal === "missed" ? `${text}: ${emphasize("RED")}` : `${text}: ${goal}`;
}

function bound(goal: Goal): string {
  return "value" in goal ? round(goal.value) : `${round(goal.ratio)} × ${goal.of}`;
}

function remarks(run: Run, summary: Summary): string[] {
  const parameters = Object.entries(run.parameters).map(([name, value]) => `${name} ${round(value)}`).join(", ");
  const confidence = Math.min(
    1,
    ...summary.figures.flatMap(({ comparisons }) => comparisons.map((one) => one.confidence)),
  );
  return [
    `${summary.rounds} rounds${parameters === "" ? "" : `; ${parameters}`}.`,
    ...confidence < CONFIDENCE
      ? [
        `So few rounds make an interval of ${
          Math.floor(confidence * 100)
        } % only: it is told ${FEW_ROUNDS_FACTOR} times as wide.`,
      ]
      : [],
    ...summary.others > OTHERS_MAX
      ? [
        `Others used up to ${
          Math.round(summary.others * 100)
        } % of the machine meanwhile: trust ratios of CPU time and memory alone.`,
      ]
      : [],
  ];
}
