/** What was typed after `deno task conformance`. */
import { wholeNumber } from "@k3ts/tools/options";
import { parseArgs } from "node:util";

export type Selection =
  | { kind: "sample"; count: number }
  | { kind: "all" }
  | { kind: "failed" }
  | { kind: "focus"; pattern: RegExp };

export interface Options {
  selection: Selection;
  /** Schedulable nodes, the one with the control plane included. */
  nodes: number;
  parallel: number;
  /** How long tests are started; the run can be continued. */
  sliceMinutes: number | undefined;
  /** Begin anew rather than continue a run that was cut off. */
  fresh: boolean;
  /** Where the files of runs lie. */
  folder: string | undefined;
}

export const SAMPLE_COUNT = 60;
const PARALLEL = 6;

export const USAGE = `deno task conformance [--sample N | --all | --failed | --focus RE] [options]
  --sample N       the first N of the fixed sample (default: all ${SAMPLE_COUNT})
  --all            every conformance test of the suite
  --failed         those that did not pass when they last ran
  --focus RE       those whose names match
  --nodes N        machines of the cluster (default 2, at least 2)
  --parallel N     tests at once (default ${PARALLEL}); [Serial] ones always run alone
  --slice MINUTES  start no more tests after this time; the same command continues
  --fresh          begin anew rather than continue a run that was cut off
  --folder DIR     where logs and results lie (default .k3ts/conformance)`;

/** @throws {TypeError} naming what is wrong */
export function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      sample: { type: "string" },
      all: { type: "boolean" },
      failed: { type: "boolean" },
      focus: { type: "string" },
      nodes: { type: "string", default: "2" },
      parallel: { type: "string", default: `${PARALLEL}` },
      slice: { type: "string" },
      fresh: { type: "boolean", default: false },
      folder: { type: "string" },
    },
  });
  const chosen = [values.sample, values.all, values.failed, values.focus].filter((value) => value !== undefined);
  if (chosen.length > 1) throw new TypeError("Only one of --sample, --all, --failed and --focus can be used");
  return {
    selection: selectionOf(values),
    nodes: wholeNumber("--nodes", values.nodes, 2),
    parallel: wholeNumber("--parallel", values.parallel, 1),
    sliceMinutes: values.slice === undefined ? undefined : wholeNumber("--slice", values.slice, 1),
    fresh: values.fresh,
    folder: values.folder,
  };
}

function selectionOf(values: { sample?: string; all?: boolean; failed?: boolean; focus?: string }): Selection {
  if (values.all) return { kind: "all" };
  if (values.failed) return { kind: "failed" };
  if (values.focus !== undefined) return { kind: "focus", pattern: patternOf(values.focus) };
  return { kind: "sample", count: wholeNumber("--sample", values.sample ?? `${SAMPLE_COUNT}`, 1) };
}

/** The options that chose it: runs with the same one continue each other. */
export function selectionText(selection: Selection): string {
  if (selection.kind === "sample") return `--sample ${selection.count}`;
  return selection.kind === "focus" ? `--focus ${selection.pattern.source}` : `--${selection.kind}`;
}

function patternOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new TypeError(`--focus needs a regular expression: ${error instanceof Error ? error.message : error}`);
  }
}
