/**
 * Reads along with what the suite says of one test (Ginkgo's verbose reporter, without colours): what it does now,
 * what it waits for, and what came of it.
 */
import { withoutChanges } from "./messages.ts";
import { MESSAGE_CHARS_MAX } from "./outcome.ts";

/** What the suite said of a test that ended. */
export interface Report {
  verdict: "passed" | "failed" | "skipped" | "interrupted";
  seconds: number;
  message?: string;
  place?: string;
}

/** A line that the test has logged again and again, with all that changes in it taken out. */
export interface Repeated {
  line: string;
  count: number;
  sinceMs: number;
}

const LOGGED = /^ {2}[IWE]\d{4} [\d:.]+ +\d+ ([\w.-]+:\d+)\] (.*)$/;
const STEP = /^ {2}STEP: (.*) @ \d\d\/\d\d\/\d\d [\d:.]+$/;
const ENDED = /^[•SP] (?:\[([A-Z ]+)\] )?\[([\d.]+) seconds\]$/;
const SUITE_NODE_FAILED = /^\[(\w+Suite)\] \[(?:FAILED|PANICKED|TIMEDOUT|INTERRUPTED)\] \[/;
const MESSAGE = /^ {2}\[(?:FAILED|INTERRUPTED|PANICKED|TIMEDOUT|SKIPPED)\] (.*)$/;
const PLACE = /^ {2}In \[[^\]]+\] at: (\S+)/;
const RUN = /Starting e2e run "([0-9a-f-]+)"/;

export class Transcript {
  /** The label of what this process makes: namespaces have it as `e2e-run`. */
  runId: string | undefined;
  /** The newest step. */
  step = "";
  /** The newest line that the test has logged in this step. */
  lastLine = "";
  report: Report | undefined;
  /** The end of all that was said, for a process that ends without a report. */
  readonly tail: string[] = [];
  #repeated: Repeated | undefined;
  #message: string[] | undefined;
  #stopped = false;

  /** @param nowMs when it was said */
  push(line: string, nowMs: number): void {
    this.tail.push(line);
    if (this.tail.length > 20) this.tail.shift();
    this.runId ??= RUN.exec(line)?.[1];
    if (this.#message !== undefined) return this.#readMessage(line);
    const ended = ENDED.exec(line);
    if (ended !== null) return this.#end(ended[1], Number(ended[2]));
    if (SUITE_NODE_FAILED.test(line) && this.report === undefined) this.report = { verdict: "failed", seconds: 0 };
    // What a test logs of its failure comes before its end; the report repeats it after, and only that is complete.
    if (this.report !== undefined && this.report.message === undefined) {
      const message = MESSAGE.exec(line)?.[1];
      if (message !== undefined) this.#message = [message];
      return;
    }
    this.#follow(line, nowMs);
  }

  /** What the test waits for: what it has logged last, over and over. */
  get repeated(): Repeated | undefined {
    return this.#repeated;
  }

  #follow(line: string, nowMs: number): void {
    // What comes after is clean-up, and stacks.
    this.#stopped ||= /^ {2}\[(FAILED|INTERRUPTED|TIMEDOUT|PANICKED)\]|"Observed a panic"/.test(line);
    if (this.#stopped) return;
    const step = STEP.exec(line)?.[1];
    if (step !== undefined) {
      this.step = step;
      this.lastLine = "";
      this.#repeated = undefined;
      return;
    }
    const logged = LOGGED.exec(line)?.[2];
    if (logged === undefined || logged.startsWith(">>> kubeConfig")) return;
    this.lastLine = logged;
    const same = withoutChanges(logged).replace(/\d+(\.\d+)?/g, "N");
    if (this.#repeated?.line === same) this.#repeated.count++;
    else this.#repeated = { line: same, count: 1, sinceMs: nowMs };
  }

  #end(word: string | undefined, seconds: number): void {
    const verdict = word === undefined
      ? "passed"
      : word === "SKIPPED"
      ? "skipped"
      : word === "INTERRUPTED"
      ? "interrupted"
      : "failed";
    this.report = { verdict, seconds };
  }

  #readMessage(line: string): void {
    const place = PLACE.exec(line)?.[1];
    if (place === undefined && !line.startsWith("-----")) {
      this.#message!.push(line.slice(2));
      return;
    }
    const message = this.#message!.join("\n").trim();
    this.report!.message = message.slice(0, MESSAGE_CHARS_MAX);
    if (place !== undefined) this.report!.place = place;
    this.#message = undefined;
  }
}
