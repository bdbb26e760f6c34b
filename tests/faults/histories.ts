/** What writers were told and watchers saw, held against each other. Pure. */
import type { Write } from "./api_clients.ts";

export interface SeenWrite extends Write {
  revision: number;
}

/** Objects by name, with the count of their last write. */
export type State = ReadonlyMap<string, string>;

/** Of writers, and of a watcher that saw all that they wrote. */
export interface Told {
  seen: readonly SeenWrite[];
  acknowledged: readonly Write[];
  /** Their requests broke: nobody was told what became of them. */
  unknown: readonly Write[];
}

/** Each write is seen once, no acknowledged one is missing, and none is there that nobody wrote. */
export function checkWrites({ seen, acknowledged, unknown }: Told): { violations: string[]; made: Write[] } {
  const violations: string[] = [];
  const times = new Map<string, number>();
  for (const event of seen) times.set(wordsOf(event), (times.get(wordsOf(event)) ?? 0) + 1);
  for (const [words, count] of times) if (count > 1) violations.push(`${words} was seen ${count} times`);
  for (const write of acknowledged) {
    if (times.delete(wordsOf(write))) continue;
    const when = write.at === undefined ? "" : ` at ${new Date(write.at).toISOString()}`;
    violations.push(`${wordsOf(write)} was acknowledged${when} and not seen`);
  }
  const made = unknown.filter((write) => times.delete(wordsOf(write)));
  for (const words of times.keys()) violations.push(`${words} was seen, which nobody wrote`);
  return { violations, made };
}

/** Revisions only grow, and each event can follow what was there before it: nothing came twice, or not at all. */
export function checkOrder(seen: readonly SeenWrite[], before: State): string[] {
  const violations: string[] = [];
  const there = new Set(before.keys());
  let last = 0;
  for (const event of seen) {
    const { type, name, revision } = event;
    if (revision <= last) violations.push(`${wordsOf(event)} came with revision ${revision} after ${last}`);
    if ((type === "ADDED") === there.has(name)) {
      violations.push(
        `${wordsOf(event)} came at revision ${revision} though it was ${there.has(name) ? "" : "not "}there`,
      );
    }
    if (type === "DELETED") there.delete(name);
    else there.add(name);
    last = revision;
  }
  return violations;
}

/** What there is, to go by the events. */
export function replayed(seen: readonly Write[], before: State = new Map()): State {
  const there = new Map(before);
  for (const { type, name, count } of seen) {
    if (type === "DELETED") there.delete(name);
    else there.set(name, count);
  }
  return there;
}

/** What somebody has who watched is what a list says. */
export function checkState(watched: State, listed: State): string[] {
  const names = new Set([...watched.keys(), ...listed.keys()]);
  return [...names].filter((name) => watched.get(name) !== listed.get(name)).map((name) =>
    `${name} is ${watched.get(name) ?? "not there"} for who watched, and ${listed.get(name) ?? "not there"} in a list`
  );
}

/** Two watchers of the same saw the same. */
export function checkAgreement(one: readonly SeenWrite[], other: readonly SeenWrite[]): string[] {
  const length = Math.max(one.length, other.length);
  for (let index = 0; index < length; index++) {
    const [left, right] = [one[index], other[index]].map((event) =>
      event === undefined ? "nothing" : `${wordsOf(event)} at ${event.revision}`
    );
    if (left !== right) return [`two watchers saw different things: ${left}, and ${right}`];
  }
  return [];
}

function wordsOf({ type, name, count }: Write): string {
  return `${type} ${name} ${count}`;
}
