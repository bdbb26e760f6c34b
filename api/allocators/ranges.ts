/** Ranges from which addresses and ports are given out. Pure but for the bookkeeping. */

/** An IPv4 range, such as 10.43.0.0/16. */
export class AddressRange {
  readonly #first: number;
  readonly #size: number;

  /** @param cidr such as 10.43.0.0/16, at least /30 */
  constructor(readonly cidr: string) {
    const [address, bits] = cidr.split("/") as [string, string?];
    const length = Number(bits);
    const value = parseAddress(address);
    if (value === undefined || !Number.isInteger(length) || length < 8 || length > 30) {
      throw new TypeError(`Cannot give out addresses as their range must be an IPv4 network of /8 to /30: ${cidr}`);
    }
    this.#size = 2 ** (32 - length);
    this.#first = value - value % this.#size;
  }

  /** How many can be given out: neither the network's address nor the last. */
  get capacity(): number {
    return this.#size - 2;
  }

  /** @param offset 1 to {@link capacity} */
  at(offset: number): string {
    return formatAddress(this.#first + offset);
  }

  /** Where an address is in the range. @returns undefined outside of it */
  offsetOf(address: string): number | undefined {
    const value = parseAddress(address);
    if (value === undefined) return undefined;
    const offset = value - this.#first;
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

function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
    return undefined;
  }
  return parts.reduce((value, part) => value * 256 + Number(part), 0);
}

function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}
