/** Which failures of requests the faults explain: all others are violations. Pure. */
import { type Fault, NODE_GRACE_SECONDS } from "./plan.ts";

/** A fault as it happened, in milliseconds since the epoch. */
export interface Happened {
  fault: Fault;
  from: number;
  until: number;
}

/** Somebody who asks, and who must answer. */
export interface Way {
  /** The machine on which the client is. */
  from: string;
  /** The one that answers; any that there is; or the client's own resolver, or API. */
  to: string | "any" | "dns" | "connect";
}

export interface FailedRequest {
  way: Way;
  /** When it was begun. */
  at: number;
}

/** How long a client waits for its answer. */
export const PATIENCE_MS = 5_000;
/** Until packets flow again, and neighbours are found. */
const LINK_AGAIN_MS = 3_000;
/** Until a node that was lost is one again, and its pods are endpoints. */
const NODE_AGAIN_MS = 30_000;
/** Until the rules of all nodes follow what has changed meanwhile. */
const RULES_AGAIN_MS = 10_000;
/** Of the log that is followed, and for how long after a disk was full lines may be missing. */
const LINES_PER_SECOND = 5;
const LINES_AGAIN_SECONDS = 1;
/** A stub resolver asks for so long. */
const NAME_MS_MAX = 5_000;
/** Who is silent for a bit less than the grace may have been silent before. */
const NODE_LOST_MS = (NODE_GRACE_SECONDS - 10) * 1000;

/** @param serverOn the machine with the API */
export function isExcused(failed: FailedRequest, happened: readonly Happened[], serverOn: string): boolean {
  return happened.some(({ fault, from, until }) => {
    const afterMs = excusesFor(failed.way, { fault, lastedMs: until - from }, serverOn);
    return afterMs !== undefined && failed.at >= from - PATIENCE_MS && failed.at <= until + afterMs;
  });
}

/** What a container writes while there is no room for it is lost; nothing else of a log is. @returns at most how many lines */
export function linesLostBy(happened: readonly Happened[], machine: string): number {
  const full = happened.filter(({ fault }) => fault.kind === "disk" && fault.machine === machine);
  return full.reduce(
    (sum, { from, until }) => sum + LINES_PER_SECOND * (LINES_AGAIN_SECONDS + (until - from) / 1000),
    0,
  );
}

/** @returns for how long after its end a fault explains failures on a way; undefined when it never does */
function excusesFor(
  way: Way,
  { fault, lastedMs }: { fault: Fault; lastedMs: number },
  serverOn: string,
): number | undefined {
  const { kind, machine, process } = fault;
  // Names are answered on the spot. Whoever asks bears that the dataplane is new, but not that nobody holds its socket.
  if (way.to === "dns") {
    const isPaused = kind === "pause" && process === "dataplane" && lastedMs >= NAME_MS_MAX - 1_000;
    return machine === way.from && (isPaused || isDeathOfSupervisor(fault)) ? LINK_AGAIN_MS : undefined;
  }
  if (way.to === "connect") return machine === way.from && isDeathOfSupervisor(fault) ? LINK_AGAIN_MS : undefined;
  const isOnWay = way.to === "any" || (way.from !== way.to && (machine === way.from || machine === way.to));
  // Whoever is cut off from the server is lost after the grace, and no endpoint any more; with the server, all are.
  const isLost = kind === "cut" && lastedMs >= NODE_LOST_MS &&
    (isOnWay || (machine === serverOn && way.from !== way.to));
  if (isLost) return NODE_AGAIN_MS;
  if (isOnWay && (kind === "cut" || kind === "loss")) return way.to === "any" ? RULES_AGAIN_MS : LINK_AGAIN_MS;
  // Pods of a deployment come and go: who cannot hear of it asks those that are gone.
  const isDeaf = kind === "pause" || kind === "disk" || kind === "delay";
  return way.to === "any" && isDeaf ? RULES_AGAIN_MS : undefined;
}

/** Nobody holds the sockets then, unless who uses them lives. */
function isDeathOfSupervisor({ kind, process }: Fault): boolean {
  return kind === "kill" && process === "supervisor";
}
