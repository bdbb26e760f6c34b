/** What nodes and their pods use, as the nodes last said. In memory only: a server that starts anew hears it again soon. */
import type { ContainerUsage, ReportUsageRequest, Usage } from "@k3ts/proto";

/** Who has been silent for so long is not known any more; nodes report about four times in it. */
const STALE_MS = 60_000;

export interface Known<T> {
  /** When the server heard it, in ms since the epoch: nodes' clocks may differ. */
  heardAt: number;
  usage: T;
}

interface Entry {
  heardAt: number;
  node: Usage | undefined;
  /** By uid. */
  pods: ReadonlyMap<string, readonly ContainerUsage[]>;
}

export class UsageTable {
  readonly #nodes = new Map<string, Entry>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** @param node who says it */
  put(node: string, { node: usage, pods }: ReportUsageRequest): void {
    for (const [name, { heardAt }] of this.#nodes) if (this.#isStale(heardAt)) this.#nodes.delete(name);
    this.#nodes.set(node, {
      heardAt: this.#now(),
      node: usage,
      pods: new Map(pods.map(({ uid, containers }) => [uid, containers])),
    });
  }

  ofNode(node: string): Known<Usage> | undefined {
    const { heardAt, node: usage } = this.#entry(node) ?? {};
    return heardAt === undefined || usage === undefined ? undefined : { heardAt, usage };
  }

  /** @param node where the pod is: of others' pods a node's word does not count */
  ofPod(node: string, uid: string): Known<readonly ContainerUsage[]> | undefined {
    const entry = this.#entry(node);
    const usage = entry?.pods.get(uid);
    return entry === undefined || usage === undefined ? undefined : { heardAt: entry.heardAt, usage };
  }

  #entry(node: string): Entry | undefined {
    const entry = this.#nodes.get(node);
    return entry === undefined || this.#isStale(entry.heardAt) ? undefined : entry;
  }

  #isStale(heardAt: number): boolean {
    return this.#now() - heardAt > STALE_MS;
  }
}
