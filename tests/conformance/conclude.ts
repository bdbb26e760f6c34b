/** What came of a test, from what the suite said and how its process ended. */
import { MESSAGE_CHARS_MAX, type Verdict } from "./outcome.ts";
import type { Transcript } from "./transcript.ts";

export interface Ending {
  transcript: Transcript;
  /** Why the watchdog ended it. */
  hopeless: string | undefined;
  /** Of the process. */
  code: number;
  seconds: number;
}

export interface Conclusion {
  verdict: Verdict;
  seconds: number;
  message?: string;
  place?: string;
}

export function conclude({ transcript, hopeless, code, seconds }: Ending): Conclusion {
  const { report, step, lastLine, tail } = transcript;
  const rounded = Math.round(seconds * 10) / 10;
  const place = report?.place === undefined ? {} : { place: report.place };
  // A test may pass in the moment in which it is given up.
  if (report?.verdict === "passed" && code === 0) return { verdict: "passed", seconds: rounded };
  if (hopeless !== undefined) {
    const said = report?.message === undefined || /^Interrupted by User/.test(report.message) ? "" : report.message;
    const where = [step && `at "${step}"`, said || (lastLine && `last said: ${lastLine}`)].filter(Boolean).join("; ");
    const message = `watchdog: ${hopeless}; ${where}`.slice(0, MESSAGE_CHARS_MAX);
    return { verdict: "hopeless", seconds: rounded, message, ...place };
  }
  if (report?.verdict === "skipped") {
    return { verdict: "skipped", seconds: rounded, message: report.message ?? "skipped", ...place };
  }
  // A process that panics reports nothing, and ends with pages of stacks.
  const message = report?.message ??
    `ended with exit ${code} and without a report; last said: ${lastLine || tail.join("\n")}`.slice(
      0,
      MESSAGE_CHARS_MAX,
    );
  return { verdict: "failed", seconds: rounded, message, ...place };
}
