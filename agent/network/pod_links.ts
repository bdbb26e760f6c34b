/**
 * The bridge and the pods' interfaces on it, as they should be: looked at from time to time, as others may take away
 * what is here, and put right. What is right already stays untouched.
 */
import type { Client } from "@connectrpc/connect";
import { delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import type { NetworkService } from "@k3ts/proto";

export const BRIDGE = "k3ts0";
/** The host's ends of the pods' interfaces begin so. */
export const LINK_PREFIX = "k3v";
const MTU = 1500;
/** Between two looks at what others may take away. */
export const LOOK_MS = 10_000;

export interface PodLink {
  uid: string;
  networkNamespace: string;
  address: string;
}

export interface PodLinksOptions {
  native: Pick<Client<typeof NetworkService>, "ensureBridge" | "attach" | "removeLink" | "listLinks">;
  /** The bridge's own, with prefixes; the first one is the pods' gateway. */
  addresses: string[];
  /** What is reached over the bridge beside its own range. */
  routes: string[];
  /** Those whose networks are whole. */
  links(): PodLink[];
  log: Log;
}

export class PodLinks {
  readonly #options: PodLinksOptions;
  /** Pods whose interface is being taken away. */
  readonly #leaving = new Set<string>();
  /** What is being put right, by pod. */
  readonly #mending = new Map<string, Promise<unknown>>();
  /** Of the bridge that the interfaces are known to hang on: another one has another number. */
  #bridge: number | undefined;

  constructor(options: PodLinksOptions) {
    this.#options = options;
  }

  /** @returns the number of the bridge */
  async ensureBridge(): Promise<number> {
    const { native, addresses, routes } = this.#options;
    const { index } = await native.ensureBridge({ name: BRIDGE, addresses, routes, mtu: MTU });
    return index;
  }

  async attach(link: PodLink): Promise<void> {
    await this.#mending.get(link.uid);
    try {
      await this.#attach(link);
    } catch {
      // Without a bridge there is nothing to hang on.
      await this.ensureBridge();
      await this.#attach(link);
    }
  }

  async detach(uid: string): Promise<void> {
    this.#leaving.add(uid);
    try {
      await this.#mending.get(uid);
      await this.#options.native.removeLink({ name: linkOf(uid) });
    } finally {
      this.#leaving.delete(uid);
    }
  }

  /** Until the signal fires. Everything stays. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.mend().catch((error) => this.#options.log.error("Cannot put the pods' interfaces right", error));
      await delay(LOOK_MS, signal).catch(() => {}); // the end
    }
  }

  /** Looks once. Interfaces of an agent before this one, and those of a bridge that is gone, are attached anew. */
  async mend(): Promise<void> {
    const { native, links, log } = this.#options;
    const bridge = await this.ensureBridge();
    const isSame = bridge === this.#bridge;
    if (!isSame && this.#bridge !== undefined) log.warn("The bridge of the pods was gone", { bridge: BRIDGE });
    const found = new Set((await native.listLinks({ prefix: LINK_PREFIX })).links.filter((one) => one.up).map(nameOf));
    const broken = links().filter(({ uid }) => !this.#leaving.has(uid) && !(isSame && found.has(linkOf(uid))));
    const results = await Promise.allSettled(broken.map((link) => this.#mend(link)));
    const failed = results.filter((one) => one.status === "rejected");
    for (const { reason } of failed) log.error("Cannot attach a pod's interface again", reason);
    this.#bridge = failed.length === 0 ? bridge : undefined;
  }

  async #mend(link: PodLink): Promise<void> {
    const mending = this.#attach(link);
    const settled = mending.catch(() => {}); // told above
    this.#mending.set(link.uid, settled);
    await settled;
    this.#mending.delete(link.uid);
    await mending;
  }

  async #attach({ uid, networkNamespace, address }: PodLink): Promise<void> {
    const { native, addresses } = this.#options;
    await native.attach({
      networkNamespace,
      bridge: BRIDGE,
      hostInterface: linkOf(uid),
      podInterface: "eth0",
      // As the only one of its network, so that also pods of this node are reached through the host's rules.
      address: `${address}/32`,
      gateway: addresses[0]!.split("/")[0]!,
      mtu: MTU,
    });
  }
}

/** At most 15 characters, and the same for a pod every time. */
export function linkOf(podUid: string): string {
  return `${LINK_PREFIX}${podUid.replaceAll("-", "").slice(0, 12)}`;
}

function nameOf({ name }: { name: string }): string {
  return name;
}
