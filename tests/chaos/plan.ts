/**
 * Which faults happen when. Pure: a seed decides all of it, so that the same seed is the same plan.
 *
 * Kinds are dealt from a pack, over and over: all that can fail has failed before anything does so more often than it
 * should. They overlap as they come, up to a few at a time.
 */
import type { ProcessName } from "../e2e/machine.ts";
import { randomFrom } from "../faults/random.ts";
import { PROCESSES, shuffled } from "../kills/matrix.ts";

export type FaultKind = "kill" | "pause" | "disk" | "cut" | "delay" | "loss" | "clock";

/** Something that goes wrong on one machine, at a time and for a time that count from the begin of its round. */
export interface Fault {
  kind: FaultKind;
  machine: string;
  atMs: number;
  /** 0 for what is over at once. */
  forMs: number;
  /** Of kills and pauses. */
  process?: ProcessName;
  /** Of a delay: what each frame takes in one direction, and how much more at most. */
  delayMs?: number;
  jitterMs?: number;
  /** Of a loss: the share of frames. */
  loss?: number;
  /** Of a clock: how far it is shifted. */
  shiftMs?: number;
}

export interface PlanOptions {
  seed: number;
  /** Of this run, from 0: each has its own faults. */
  round: number;
  /** How long faults happen; all are over then. */
  roundMs: number;
  /** The first has the server, and each is a node. */
  machines: readonly string[];
  /** What may happen. @default everything */
  kinds?: readonly FaultKind[];
}

/** How often each kind is in the pack. */
const PACK: Readonly<Record<FaultKind, number>> = { kill: 5, pause: 3, disk: 1, cut: 2, delay: 1, loss: 1, clock: 1 };

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(PACK) as FaultKind[];

/** A fault begins this long after the one before it. */
const GAP_MS = [500, 6_000] as const;
const AT_ONCE_MAX = 3;

type Range = readonly [number, number];
const PAUSE_MS: Range = [500, 10_000];
const DISK_MS: Range = [3_000, 10_000];
const CUT_MS: Range = [500, 10_000];
/** A cut this long is taken for the loss of the node, see {@link NODE_GRACE_SECONDS}. */
const LONG_CUT_MS: Range = [28_000, 34_000];
const LONG_CUT_SHARE = 0.25;
const IMPAIRED_MS: Range = [5_000, 15_000];
const DELAY_MS: Range = [5, 150];
const JITTER_MS: Range = [0, 50];
const LOSS: Range = [0.02, 0.2];
const CLOCK_MS: Range = [5_000, 20_000];
/** Back within what certificates bear, and forward beyond the life of tokens. */
const SHIFTS_MS = [-240_000, -30_000, -1_000, 1_000, 30_000, 240_000, 7_200_000];

/** For how long a node may be silent before it is lost: longer than any pause. */
export const NODE_GRACE_SECONDS = 20;

/** In the order in which they begin. */
export function planFaults(options: PlanOptions): Fault[] {
  const random = randomFrom(options.seed * 1_000_003 + options.round);
  const between = ([from, to]: Range) => from + random() * (to - from);
  const whole = (range: Range) => Math.round(between(range));
  const faults: Fault[] = [];
  const pack = deal(options, random);
  let atMs = whole(GAP_MS);
  while (atMs < options.roundMs) {
    const fault = shaped(pack.next().value, atMs, options, { random, between, whole });
    if (fits(fault, faults, options.roundMs)) faults.push(fault);
    atMs += whole(GAP_MS);
  }
  return faults;
}

/** One card after the other, shuffled anew when the pack is used up. Rounds go on where the one before left off. */
function* deal({ seed, round, kinds }: PlanOptions, random: () => number): Generator<FaultKind, never> {
  const cards = FAULT_KINDS.filter((kind) => kinds?.includes(kind) ?? true)
    .flatMap((kind) => Array<FaultKind>(PACK[kind]).fill(kind));
  // Half of the pack is dealt in a round, about.
  const first = shuffled(cards, seed + Math.floor(round / 2));
  yield* round % 2 === 0 ? first : first.toReversed();
  while (true) yield* shuffled(cards, Math.floor(random() * 2 ** 31));
}

interface Dice {
  random: () => number;
  between: (range: Range) => number;
  whole: (range: Range) => number;
}

function shaped(kind: FaultKind, atMs: number, { machines }: PlanOptions, dice: Dice): Fault {
  const { random, between, whole } = dice;
  const one = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const machine = one(machines);
  const processes = PROCESSES.filter((name) => machine === machines[0] || (name !== "server" && name !== "plugins"));
  const at = { kind, machine, atMs };
  switch (kind) {
    case "kill":
      return { ...at, forMs: 0, process: one(processes) };
    case "pause":
      return { ...at, forMs: whole(PAUSE_MS), process: one(processes) };
    case "disk":
      return { ...at, forMs: whole(DISK_MS) };
    case "cut":
      return { ...at, forMs: whole(random() < LONG_CUT_SHARE ? LONG_CUT_MS : CUT_MS) };
    case "delay":
      return { ...at, forMs: whole(IMPAIRED_MS), delayMs: whole(DELAY_MS), jitterMs: whole(JITTER_MS) };
    case "loss":
      return { ...at, forMs: whole(IMPAIRED_MS), loss: Math.round(between(LOSS) * 1000) / 1000 };
    case "clock":
      return { ...at, forMs: whole(CLOCK_MS), shiftMs: one(SHIFTS_MS) };
  }
}

/** Over in time, not one of too many, and not of what is at fault in the same way already. */
function fits(fault: Fault, others: readonly Fault[], roundMs: number): boolean {
  if (endOf(fault) > roundMs) return false;
  const meanwhile = others.filter((other) => endOf(other) >= fault.atMs);
  return meanwhile.length < AT_ONCE_MAX &&
    !meanwhile.some(({ kind, machine, process }) =>
      kind === fault.kind && machine === fault.machine && process === fault.process
    );
}

/** Milliseconds from the begin of the round. */
export function endOf({ atMs, forMs }: Fault): number {
  return atMs + forMs;
}

/** For people: `n2: cut for 3.1 s`. */
export function describe(fault: Fault): string {
  const time = `for ${(fault.forMs / 1000).toFixed(1)} s`;
  const words: Record<FaultKind, () => string> = {
    kill: () => `${fault.process} killed`,
    pause: () => `${fault.process} paused ${time}`,
    disk: () => `disk full ${time}`,
    cut: () => `cable cut ${time}`,
    delay: () => `cable ${fault.delayMs} to ${fault.delayMs! + fault.jitterMs!} ms slow ${time}`,
    loss: () => `cable loses ${(fault.loss! * 100).toFixed(1)} % ${time}`,
    clock: () => `clock shifted by ${fault.shiftMs! / 1000} s ${time}`,
  };
  return `${fault.machine}: ${words[fault.kind]()}`;
}
