/** Ranges from which addresses and ports are given out. Pure but for the bookkeeping. */
import { formatIPv4, isIPv4, parseIPv4, parseIPv4Range } from "@k3ts/model";

/** An IPv4 range, such as 10.43.0.0/16. */
export class AddressRange {
  readonly #first: number;
  readonly #size: number;

  /** @param cidr such as 10.43.0.0/16, at least /30 */
  constructor(readonly cidr: string) {
    const { base, prefix } = parseIPv4Range(cidr);
    if (prefix < 8 || prefix > 30) {
      throw new RangeError(`Cannot give out addresses as their range must be an IPv4 network of /8 to /30: ${cidr}`);
    }
    this.#size = 2 ** (32 - prefix);
    this.#first = base;
  }

  /** How many can be given out: neither the network's address nor the last. */
  get capacity(): number {
    return this.#size - 2;
  }

  /** @param offset 1 to {@link capacity} */
  at(offset: number): string {
    return formatIPv4(this.#first + offset);
  }

  /** Where an address is in the range. @returns undefined outside of it */
  offsetOf(address: string): number | undefined {
    if (!isIPv4(address)) return undefined;
    const offset = parseIPv4(address) - this.#first;
    return offset >= 1 && offset <= this.capacity ? offset : undefined;
  }
}

/**
 * Picks what nobody holds: where a random draw falls, or the next free one after it.
 * @returns undefined when everything is taken
 */
export function pickFree(
  from: number,
  to: number,
  taken: (candidate: number) => boolean,
  random: () => number,
): number | undefined {
  const count = to - from + 1;
  const start = Math.floor(random() * count);
  for (let step = 0; step < count; step++) {
    const candidate = from + (start + step) % count;
    if (!taken(candidate)) return candidate;
  }
  return undefined;
}
