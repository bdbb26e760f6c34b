/** What tests say when they fail, without what differs from run to run: then failures that say the same are one group. */
import type { Outcome } from "./outcome.ts";

const KEY_CHARS_MAX = 220;

export interface Group {
  /** What all of them say. */
  message: string;
  outcomes: Outcome[];
}

/** The largest first. */
export function groupByMessage(outcomes: readonly Outcome[]): Group[] {
  const groups = new Map<string, Outcome[]>();
  for (const outcome of outcomes) {
    const key = normalised(outcome.message ?? "said nothing");
    groups.set(key, [...groups.get(key) ?? [], outcome]);
  }
  return [...groups].map(([message, outcomes]) => ({ message, outcomes }))
    .sort((a, b) => b.outcomes.length - a.outcomes.length || (a.message < b.message ? -1 : 1));
}

/** One line without what differs from run to run, numbers of versions included. */
export function normalised(message: string): string {
  const line = portable(withoutDump(message).replace(/\s+/g, " ").trim()).replace(/\b\d{3,}\b/g, "N");
  return line.length > KEY_CHARS_MAX ? `${line.slice(0, KEY_CHARS_MAX)}…` : line;
}

/** Without what only one machine or one run has: folders, addresses, processes, names that were made up, times. */
export function portable(message: string): string {
  return withoutChanges(message)
    // Programs lie in a cache of somebody's home, and what a run makes below a folder that its number names.
    .replace(/(?:\/[\w.@+-]+)*\/k3ts\/peers\/bin\//g, "")
    .replace(/\/tmp\/[\w.-]*\d{3,}[\w.-]*/g, "/tmp/FOLDER")
    .replace(/\b(pid|process)([ =:]+)\d+\b/gi, "$1$2N")
    .replace(/\b(\d+\.){3}\d+(:\d+)?\b/g, "ADDRESS")
    // Names that the suite or the API has made: a base with a number, which is no version, or with random letters.
    .replace(/\b([a-z][a-z0-9]*(-[a-z0-9]+)*?)-\d+(?!\.?\d)(-[a-z0-9]{5})?\b/g, "$1-N")
    .replace(/-([bcdf-hj-np-tv-xz2456789]{8,10}-)?[bcdf-hj-np-tv-xz2456789]{5}\b/g, "-RANDOM");
}

/** Without uids, times, durations and addresses of memory. */
export function withoutChanges(text: string): string {
  return text
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "UID")
    .replace(/\d{4}-\d\d-\d\d[T ][\d:.]+(Z| [+-]\d{4}( UTC)?)?( m=[+-][\d.]+)?/g, "TIME")
    .replace(/\b\d\d\/\d\d\/\d\d [\d:.]+/g, "TIME")
    .replace(/0x[0-9a-f]+/g, "PTR")
    .replace(/\b((\d+h)?(\d+m)?\d+(\.\d+)?(ms|µs|s)|\d+h\d+m|\d+m)\b/g, "DURATION");
}

/** Errors are followed by all of their fields: `{ ErrStatus: …`, which repeats what was said. */
function withoutDump(message: string): string {
  const lines = message.split("\n");
  const start = lines.findIndex((line, at) => at > 0 && /^\s*\{$/.test(line));
  return (start === -1 ? lines : lines.slice(0, start)).join("\n");
}
