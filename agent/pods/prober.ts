/** Runs the probes of running containers, each on its own clock, and keeps what they found. */
import { delay } from "@k3ts/client";
import { explain } from "@k3ts/client/telemetry";
import { type Clock, momentOf, monotonicOf, type MonotonicTime, type Probe, type WallTime } from "@k3ts/model/objects";
import type { ProbeResult } from "./observed.ts";
import { type Answer, probe, type ProbeTarget } from "./probe.ts";

export interface Probed extends ProbeTarget {
  id: string;
  startedAt: WallTime;
  /** What the server was last told: a restarted agent goes on from there. */
  before?: { ready: boolean; started: boolean };
  /** Called whenever a result has changed. */
  changed(): void;
  /** Called with what people should know: that a probe failed, or warned. */
  tell(reason: "Unhealthy" | "ProbeWarning", message: string): void;
}

export type ProbeKind = "Readiness" | "Liveness" | "Startup";

/** When a container could not be asked at all, it is asked again at once, this often. */
const TRIES = 3;

interface Running {
  result: ProbeResult;
  stop: AbortController;
  /** Ends all but the readiness probe. */
  quieten: AbortController;
}

export class Prober {
  readonly #running = new Map<string, Running>();
  readonly #clock: Clock;
  readonly #probed: (kind: ProbeKind, result: Answer["result"] | "unknown") => void;

  /** @param probed told how each probe went */
  constructor(clock: Clock, probed: (kind: ProbeKind, result: Answer["result"] | "unknown") => void = () => {}) {
    this.#clock = clock;
    this.#probed = probed;
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
    const quieten = new AbortController();
    const result: ProbeResult = {
      started: startupProbe === undefined || (before?.started ?? false),
      ready: readinessProbe === undefined || (before?.ready ?? false),
    };
    this.#running.set(id, { result, stop, quieten });
    const signals = { all: stop.signal, restarting: AbortSignal.any([stop.signal, quieten.signal]) };
    this.#follow(probed, result, signals).catch((error) => {
      if (!stop.signal.aborted) throw error;
    });
  }

  /** Of a container that is being stopped only its readiness is still of interest. */
  quieten(id: string): void {
    this.#running.get(id)?.quieten.abort();
  }

  stop(id: string): void {
    this.#running.get(id)?.stop.abort();
    this.#running.delete(id);
  }

  stopAll(): void {
    for (const id of [...this.#running.keys()]) this.stop(id);
  }

  /** The startup probe first; the others begin when it has succeeded. */
  async #follow(
    probed: Probed,
    result: ProbeResult,
    signals: { all: AbortSignal; restarting: AbortSignal },
  ): Promise<void> {
    const { readinessProbe, livenessProbe, startupProbe } = probed.container;
    const startedAt = monotonicOf(probed.startedAt, momentOf(this.#clock));
    const set = (change: Partial<ProbeResult>) => {
      const same = Object.entries(change).every(([key, value]) => result[key as keyof ProbeResult] === value);
      Object.assign(result, change);
      if (!same) probed.changed();
    };
    const once = async (kind: "Startup" | "Liveness", how: Probe, succeeded: () => boolean) => {
      await this.#repeat(kind, how, probed, startedAt, signals.restarting, (ok) => {
        if (!ok) set({ failed: kind });
        return ok ? succeeded() : true;
      }).catch((error) => {
        if (!signals.restarting.aborted) throw error;
      });
    };
    if (startupProbe !== undefined && !result.started) {
      await once("Startup", startupProbe, () => {
        set({ started: true });
        return true;
      });
      if (signals.restarting.aborted || result.failed !== undefined) return;
    }
    await Promise.all([
      readinessProbe && this.#repeat("Readiness", readinessProbe, probed, startedAt, signals.all, (ready) => {
        set({ ready });
        return false;
      }),
      livenessProbe && once("Liveness", livenessProbe, () => false),
    ]);
  }

  /** Calls back when enough answers in a row agree, until `decide` says that it is enough. */
  async #repeat(
    kind: ProbeKind,
    how: Probe,
    probed: Probed,
    startedAt: MonotonicTime,
    signal: AbortSignal,
    decide: (ok: boolean) => boolean,
  ): Promise<void> {
    const periodMs = (how.periodSeconds ?? 10) * 1000;
    const initialMs = (how.initialDelaySeconds ?? 0) * 1000;
    await delay(Math.max(0, startedAt + initialMs - this.#clock.monotonic()), signal);
    let last: boolean | undefined;
    let agreeing = 0;
    let earlyMs = EARLY_PERIOD_MS;
    while (!signal.aborted) {
      const answer = await ask(how, probed, signal);
      if (signal.aborted) return;
      this.#probed(kind, answer.result);
      const ok = answer.result === "success" || answer.result === "warning";
      // What is not up yet is asked again sooner at first: a pod should serve as soon as it can.
      const early = kind === "Readiness" && !ok && this.#clock.monotonic() - startedAt < EARLY_MS;
      if (answer.result === "unknown") {
        probed.tell("Unhealthy", `${kind} probe errored and resulted in unknown state: ${answer.message}`);
      } else {
        if (answer.result === "warning") probed.tell("ProbeWarning", `${kind} probe warning: ${answer.message}`);
        // That it is not up at once is nothing to warn of.
        if (!ok && !(early && earlyMs < periodMs)) {
          probed.tell("Unhealthy", `${kind} probe failed: ${answer.message}`);
        }
        agreeing = ok === last ? agreeing + 1 : 1;
        last = ok;
        const enough = ok ? how.successThreshold ?? 1 : how.failureThreshold ?? 3;
        if (agreeing >= enough && decide(ok)) return;
      }
      await delay(early ? Math.min(earlyMs, periodMs) : periodMs, signal);
      earlyMs *= 2;
    }
  }
}

const EARLY_MS = 10_000;
/** Doubled each time, up to the probe's own period. */
const EARLY_PERIOD_MS = 50;

/** `unknown`: it could not be asked, so that nothing follows for it. */
async function ask(
  how: Probe,
  probed: Probed,
  signal: AbortSignal,
): Promise<Answer | { result: "unknown"; message: string }> {
  let message = "";
  for (let tries = 0; tries < TRIES && !signal.aborted; tries++) {
    try {
      return await probe(how, probed);
    } catch (error) {
      message = explain(error);
    }
  }
  return { result: "unknown", message };
}
