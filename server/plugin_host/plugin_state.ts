import type { MetricsSource } from "@k3ts/client/telemetry";

/** Which controllers run, and which of them hold the state of the cluster. */
export class PluginState {
  #waiting: Set<string> | undefined;
  #metrics: MetricsSource | undefined;

  started(controllers: readonly string[], metrics: MetricsSource): void {
    this.#waiting = new Set(controllers);
    this.#metrics = metrics;
  }

  synced(controller: string): void {
    this.#waiting?.delete(controller);
  }

  ended(): void {
    this.#waiting = undefined;
    this.#metrics = undefined;
  }

  /** What the process tells of itself. @throws when there is none */
  async metrics(signal: AbortSignal): Promise<string> {
    if (this.#metrics === undefined) throw new Error(NOT_RUNNING);
    return await this.#metrics(signal);
  }

  /** What keeps the cluster from being reconciled; undefined when nothing does. */
  problem(): string | undefined {
    if (this.#waiting === undefined) return NOT_RUNNING;
    const [first, ...others] = this.#waiting;
    if (first === undefined) return undefined;
    return `${first} ${
      others.length > 0 ? `and ${others.length} other controllers have` : "has"
    } not read the cluster's state yet`;
  }
}

const NOT_RUNNING = "the plugins do not run";
