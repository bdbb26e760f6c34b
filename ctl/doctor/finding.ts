/** What `k3ts doctor` says of one thing. */

export type Level = "ok" | "warning" | "problem";

export interface Finding {
  level: Level;
  /** What was looked at: `disk space`. */
  subject: string;
  message: string;
  /** What to do about it. */
  next?: string;
}

export function ok(subject: string, message: string): Finding {
  return { level: "ok", subject, message };
}

export function warning(subject: string, message: string, next?: string): Finding {
  return { level: "warning", subject, message, ...(next !== undefined && { next }) };
}

export function problem(subject: string, message: string, next?: string): Finding {
  return { level: "problem", subject, message, ...(next !== undefined && { next }) };
}

const MARKS: Record<Level, string> = { ok: "ok", warning: "warning", problem: "PROBLEM" };

/** A line a finding, and one below it for what to do. Pure. */
export function renderFindings(findings: readonly Finding[]): string {
  const width = Math.max(...Object.values(MARKS).map((mark) => mark.length));
  const subjects = Math.max(0, ...findings.map(({ subject }) => subject.length));
  const indent = " ".repeat(width + subjects + 4);
  return findings.map(({ level, subject, message, next }) => {
    const [first, ...more] = message.split("\n");
    return [
      `${MARKS[level].padEnd(width)}  ${subject.padEnd(subjects)}  ${first}`,
      ...more.map((line) => indent + line),
      ...(next === undefined ? [] : [`${indent}→ ${next}`]),
    ].join("\n");
  }).join("\n");
}

export function summary(findings: readonly Finding[]): string {
  const count = (level: Level) => findings.filter((finding) => finding.level === level).length;
  const [problems, warnings] = [count("problem"), count("warning")];
  if (problems + warnings === 0) return "Nothing is wrong.";
  const plural = (number: number, word: string) => `${number} ${word}${number === 1 ? "" : "s"}`;
  return [problems > 0 && plural(problems, "problem"), warnings > 0 && plural(warnings, "warning")].filter(Boolean)
    .join(", ");
}
