/**
 * Gives pods their addresses and remembers them: D/node/addresses.json is written before an address is used.
 *
 * Addresses are given in a round, so that one that was just freed rests: what still speaks to the old pod must not
 * reach a new one.
 */
import { formatIPv4, type IPv4Range, parseIPv4, parseIPv4Range } from "@k3ts/model/objects";
import { readJsonIfThere, writeAtomically } from "../files.ts";

export interface Allocations {
  /** Address by pod uid. */
  byPod: Readonly<Record<string, string>>;
  /** The last one that was given. */
  last?: string;
}

/** The first addresses of a range: the network's own, and the bridge's. */
const RESERVED = 2;

/** The address of a pod: the one that it has, or the next free one. Pure. */
export function allocate(before: Allocations, range: IPv4Range, pod: string): { after: Allocations; address: string } {
  const has = before.byPod[pod];
  if (has !== undefined) return { after: before, address: has };
  const size = 2 ** (32 - range.prefix);
  // The last one is the broadcast address.
  const usable = size - RESERVED - 1;
  const taken = new Set(Object.values(before.byPod));
  const last = before.last === undefined ? range.base + RESERVED - 1 : parseIPv4(before.last);
  for (let step = 1; step <= usable; step++) {
    const offset = (((last - range.base - RESERVED + step) % usable) + usable) % usable;
    const address = formatIPv4(range.base + RESERVED + offset);
    if (taken.has(address)) continue;
    return { after: { byPod: { ...before.byPod, [pod]: address }, last: address }, address };
  }
  throw new Error(
    `Cannot give pod "${pod}" an address as the node's range must have a free one: all ${usable} are taken`,
  );
}

export function release(before: Allocations, pod: string): Allocations {
  const { [pod]: _, ...byPod } = before.byPod;
  return { ...before, byPod };
}

/** The bridge's own address: the first one. */
export function gatewayOf(range: string): string {
  return formatIPv4(parseIPv4Range(range).base + 1);
}

interface File extends Allocations {
  version: 1;
  range: string;
}

export class Addresses {
  readonly #path: string;
  readonly #range: string;
  #now: Allocations = { byPod: {} };
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, range: string) {
    this.#path = path;
    this.#range = range;
  }

  static async open(path: string, range: string): Promise<Addresses> {
    const addresses = new Addresses(path, range);
    const file = await readJsonIfThere<File>(path);
    // A node that was given another range begins anew: what it had is not reachable any more.
    if (file !== undefined && file.version === 1 && file.range === range) addresses.#now = file;
    return addresses;
  }

  of(pod: string): string | undefined {
    return this.#now.byPod[pod];
  }

  /** Durable when it resolves. */
  async give(pod: string): Promise<string> {
    const { after, address } = allocate(this.#now, parseIPv4Range(this.#range), pod);
    if (after !== this.#now) {
      this.#now = after;
      await this.#write();
    }
    return address;
  }

  async free(pod: string): Promise<void> {
    if (this.#now.byPod[pod] === undefined) return;
    this.#now = release(this.#now, pod);
    await this.#write();
  }

  /** Several that come together are written as one. */
  #write(): Promise<void> {
    this.#writing = this.#writing.catch(() => {}).then(() =>
      writeAtomically(this.#path, JSON.stringify({ version: 1, range: this.#range, ...this.#now } satisfies File))
    );
    return this.#writing;
  }
}
