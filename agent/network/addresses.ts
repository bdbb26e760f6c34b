/**
 * Gives pods their addresses and remembers them: D/node/addresses.json is written before an address is used.
 *
 * Addresses are given in a round, so that one that was just freed rests: what still speaks to the old pod must not
 * reach a new one.
 */
import { formatIPv4, type IPv4Range, parseIPv4, parseIPv4Range } from "@k3ts/model/objects";
import { type Files, writeWhole } from "../file_steps.ts";
import { readJsonIfThere } from "../files.ts";

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
  readonly #files: Files;
  #now: Allocations = { byPod: {} };
  /** What is on disk. */
  #written: Allocations = this.#now;
  /** The write that is under way, or was the last. */
  #writing: Promise<unknown> = Promise.resolve();
  /** The one after that, which has not begun: whoever comes until then is in it. */
  #next: Promise<void> | undefined;

  private constructor(path: string, range: string, files: Files) {
    this.#path = path;
    this.#range = range;
    this.#files = files;
  }

  static async open(path: string, range: string, files: Files): Promise<Addresses> {
    const addresses = new Addresses(path, range, files);
    const file = await readJsonIfThere<File>(path);
    // A node that was given another range begins anew: what it had is not reachable any more.
    if (file !== undefined && file.version === 1 && file.range === range) addresses.#now = addresses.#written = file;
    return addresses;
  }

  of(pod: string): string | undefined {
    return this.#now.byPod[pod];
  }

  /** Durable when it resolves. */
  async give(pod: string): Promise<string> {
    const { after, address } = allocate(this.#now, parseIPv4Range(this.#range), pod);
    this.#now = after;
    if (after !== this.#written) await this.#write();
    return address;
  }

  async free(pod: string): Promise<void> {
    if (this.#now.byPod[pod] === undefined) return;
    this.#now = release(this.#now, pod);
    await this.#write();
  }

  /** Several that come together are written as one. */
  #write(): Promise<void> {
    return this.#next ??= this.#writing.catch(() => {}).then(async () => {
      this.#next = undefined;
      const now = this.#now;
      const file: File = { version: 1, range: this.#range, ...now };
      const writing = this.#files.changeFiles({
        steps: [writeWhole(this.#path, JSON.stringify(file), { sync: true })],
      });
      this.#writing = writing;
      await writing;
      this.#written = now;
    });
  }
}
