/** Which controllers run, and which of them hold the state of the cluster. */
export class PluginState {
  #waiting: Set<string> | undefined;

  started(controllers: readonly string[]): void {
    this.#waiting = new Set(controllers);
  }

  synced(controller: string): void {
    this.#waiting?.delete(controller);
  }

  ended(): void {
    this.#waiting = undefined;
  }

  /** What keeps the cluster from being reconciled; undefined when nothing does. */
  problem(): string | undefined {
    if (this.#waiting === undefined) return "the plugins do not run";
    const [first, ...others] = this.#waiting;
    if (first === undefined) return undefined;
    return `${first} ${
      others.length > 0 ? `and ${others.length} other controllers have` : "has"
    } not read the cluster's state yet`;
  }
}
