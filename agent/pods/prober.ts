/** Runs the probes of running containers, each on its own clock, and keeps what they found. */
import { delay } from "@k3ts/client";
import type { Probe } from "@k3ts/model/objects";
import type { ProbeResult } from "./observed.ts";
import { type Answer, probe, type ProbeTarget } from "./probe.ts";

export interface Probed extends ProbeTarget {
  id: string;
  /** ms since the epoch. */
  startedAt: number;
  /** What the server was last told: a restarted agent goes on from there. */
  before?: { ready: boolean; started: boolean };
  /** Called whenever a result has changed. */
  changed(): void;
  /** Called with what a probe that failed said. */
  failed(kind: ProbeKind, message: string): void;
}

export type ProbeKind = "Readiness" | "Liveness" | "Startup";

interface Running {
  result: ProbeResult;
  stop: AbortController;
}

export class Prober {
  readonly #running = new Map<string, Running>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  result(id: string): ProbeResult | undefined {
    return this.#running.get(id)?.result;
  }

  /** Begins with a container; nothing happens if it is probed already, or has no probe. */
  start(probed: Probed): void {
    const { container, id, before } = probed;
    const { readinessProbe, livenessProbe, startupProbe } = container;
    if (this.#running.has(id) || (readinessProbe ?? livenessProbe ?? startupProbe) === undefined) return;
    const stop = new AbortController();
    const result: ProbeResult = {
      started: startupProbe === undefined || (before?.started ?? false),
      ready: readinessProbe === undefined || (before?.ready ?? false),
      alive: true,
    };
    this.#running.set(id, { result, stop });
    this.#follow(probed, result, stop.signal).catch((error) => {
      if (!stop.signal.aborted) throw error;
    });
  }

  stop(id: string): void {
    this.#running.get(id)?.stop.abort();
    this.#running.delete(id);
  }

  stopAll(): void {
    for (const id of [...this.#running.keys()]) this.stop(id);
  }

  /** The startup probe first; the others begin when it has succeeded. */
  async #follow(probed: Probed, result: ProbeResult, signal: AbortSignal): Promise<void> {
    const { readinessProbe, livenessProbe, startupProbe } = probed.container;
    const set = (change: Partial<ProbeResult>) => {
      const same = Object.entries(change).every(([key, value]) => result[key as keyof ProbeResult] === value);
      Object.assign(result, change);
      if (!same) probed.changed();
    };
    if (startupProbe !== undefined && !result.started) {
      const decided = new AbortController();
      const ends = AbortSignal.any([signal, decided.signal]);
      await this.#repeat("Startup", startupProbe, probed, ends, (ok, message) => {
        if (ok) set({ started: true });
        else set({ alive: false, message: `Container ${probed.container.name} failed startup probe: ${message}` });
        decided.abort();
      }).catch((error) => {
        if (!ends.aborted) throw error;
      });
      if (signal.aborted || !result.alive) return;
    }
    await Promise.all([
      readinessProbe && this.#repeat("Readiness", readinessProbe, probed, signal, (ready) => set({ ready })),
      livenessProbe &&
      this.#repeat("Liveness", livenessProbe, probed, signal, (alive, message) =>
        set(
          alive
            ? { alive }
            : { alive, message: `Container ${probed.container.name} failed liveness probe: ${message}` },
        )),
    ]);
  }

  /** Calls back when enough answers in a row agree. */
  async #repeat(
    kind: ProbeKind,
    how: Probe,
    probed: Probed,
    signal: AbortSignal,
    decide: (ok: boolean, message: string) => void,
  ): Promise<void> {
    const periodMs = (how.periodSeconds ?? 10) * 1000;
    await delay(Math.max(0, probed.startedAt + (how.initialDelaySeconds ?? 0) * 1000 - this.#now()), signal);
    let last: boolean | undefined;
    let agreeing = 0;
    let earlyMs = EARLY_PERIOD_MS;
    while (!signal.aborted) {
      const answer: Answer = await probe(how, probed);
      if (signal.aborted) return;
      agreeing = answer.ok === last ? agreeing + 1 : 1;
      last = answer.ok;
      const enough = answer.ok ? how.successThreshold ?? 1 : how.failureThreshold ?? 3;
      if (agreeing >= enough) decide(answer.ok, answer.message);
      // What is not up yet is asked again sooner at first: a pod should serve as soon as it can.
      const early = kind === "Readiness" && !answer.ok && this.#now() - probed.startedAt < EARLY_MS;
      // That it is not up at once is nothing to warn of.
      if (!answer.ok && !(early && earlyMs < periodMs)) probed.failed(kind, answer.message);
      await delay(early ? Math.min(earlyMs, periodMs) : periodMs, signal);
      earlyMs *= 2;
    }
  }
}

const EARLY_MS = 10_000;
/** Doubled each time, up to the probe's own period. */
const EARLY_PERIOD_MS = 50;
