/** Which processes are killed together, and in which order. Pure. */
import type { ProcessName } from "../e2e/cluster.ts";
import { randomFrom } from "../faults/random.ts";

export const PROCESSES: readonly ProcessName[] = ["supervisor", "gateway", "server", "plugins", "agent", "dataplane"];

/** Killed in the same moment. */
export type Round = readonly ProcessName[];

/** Each one alone, every pair, and all at once. */
export function allRounds(processes: readonly ProcessName[] = PROCESSES): Round[] {
  const pairs = processes.flatMap((first, index) => processes.slice(index + 1).map((second) => [first, second]));
  return [...processes.map((one) => [one]), ...pairs, [...processes]];
}

/** In an order that the seed decides. */
export function shuffled<T>(items: readonly T[], seed: number): T[] {
  const next = randomFrom(seed);
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(next() * left.length), 1));
  return order;
}

/**
 * What lies on the way of an exec stream, and so breaks it when it is killed. The server only says where it goes.
 */
export function breaksStreams(round: Round): boolean {
  return round.includes("gateway") || round.includes("agent");
}
