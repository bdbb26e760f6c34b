/** What a person sees while tests run: a line for each that ends, and now and then how far it is. */
import type { Outcome, Verdict } from "./outcome.ts";

const MARKS: Record<Verdict, string> = {
  passed: "passed  ",
  failed: "FAILED  ",
  hopeless: "HOPELESS",
  skipped: "SKIPPED ",
};
const MESSAGE_CHARS_MAX = 160;

export interface State {
  outcomes: readonly Outcome[];
  /** Names and when they began, ms since the epoch. */
  running: ReadonlyMap<string, number>;
  /** How many have no outcome yet. */
  left: number;
  secondsLeft: number;
}

export function outcomeLines({ verdict, seconds, name, message }: Outcome): string[] {
  const line = `${MARKS[verdict]} ${seconds.toFixed(0).padStart(4)} s  ${name.replace(/ \[Conformance\]$/, "")}`;
  if (message === undefined) return [line];
  const text = message.replace(/\s+/g, " ");
  return [line, `                 ${text.length > MESSAGE_CHARS_MAX ? `${text.slice(0, MESSAGE_CHARS_MAX)}…` : text}`];
}

export function stateLines({ outcomes, running, left, secondsLeft }: State, nowMs: number): string[] {
  const passed = outcomes.filter(({ verdict }) => verdict === "passed").length;
  const counts = `${passed} passed, ${outcomes.length - passed} failed, ${left} left, about ${minutes(secondsLeft)}`;
  const now = [...running].sort(([, a], [, b]) => a - b)
    .map(([name, since]) => `    ${Math.round((nowMs - since) / 1_000)} s in ${name.replace(/ \[Conformance\]$/, "")}`);
  return [`--- ${counts}`, ...now];
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}
