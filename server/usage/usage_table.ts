/** What nodes and their pods use, as the nodes last said. In memory only: a server that starts anew hears it again soon. */
import { type Clock, type Moment, momentOf, type WallTime } from "@k3ts/model";
import type { ContainerUsage, ReportUsageRequest, Usage } from "@k3ts/proto";

/** Who has been silent for so long is not known any more; nodes report about four times in it. */
const STALE_MS = 60_000;

export interface Known<T> {
  /** When the server heard it: nodes' clocks may differ. */
  heardAt: WallTime;
  usage: T;
}

interface Entry {
  heard: Moment;
  node: Usage | undefined;
  /** By uid. */
  pods: ReadonlyMap<string, readonly ContainerUsage[]>;
}

export class UsageTable {
  readonly #nodes = new Map<string, Entry>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param node who says it */
  put(node: string, { node: usage, pods }: ReportUsageRequest): void {
    for (const [name, entry] of this.#nodes) if (this.#isStale(entry)) this.#nodes.delete(name);
    this.#nodes.set(node, {
      heard: momentOf(this.#clock),
      node: usage,
      pods: new Map(pods.map(({ uid, containers }) => [uid, containers])),
    });
  }

  ofNode(node: string): Known<Usage> | undefined {
    const { heard, node: usage } = this.#entry(node) ?? {};
    return heard === undefined || usage === undefined ? undefined : { heardAt: heard.wall, usage };
  }

  /** @param node where the pod is: of others' pods a node's word does not count */
  ofPod(node: string, uid: string): Known<readonly ContainerUsage[]> | undefined {
    const entry = this.#entry(node);
    const usage = entry?.pods.get(uid);
    return entry === undefined || usage === undefined ? undefined : { heardAt: entry.heard.wall, usage };
  }

  #entry(node: string): Entry | undefined {
    const entry = this.#nodes.get(node);
    return entry === undefined || this.#isStale(entry) ? undefined : entry;
  }

  #isStale({ heard }: Entry): boolean {
    return this.#clock.monotonic() - heard.monotonic > STALE_MS;
  }
}
