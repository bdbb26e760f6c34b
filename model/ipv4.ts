/** IPv4 addresses and ranges, and both as numbers. */

/** A range, such as 10.42.0.0/16. */
export interface IPv4Range {
  /** Its first address, as a number. */
  base: number;
  /** Bits that all its addresses share. */
  prefix: number;
}

/** Decimal, without leading zeros, which some read as octal. */
export function isIPv4(text: string): boolean {
  return /^(\d{1,3}\.){3}\d{1,3}$/.test(text) &&
    text.split(".").every((part) => Number(part) <= 255 && (part === "0" || !part.startsWith("0")));
}

/** @throws {RangeError} for what is no IPv4 address */
export function parseIPv4(text: string): number {
  if (!isIPv4(text)) throw new RangeError(`Cannot use "${text}" as it must be an IPv4 address, such as 10.42.0.1`);
  return text.split(".").reduce((value, part) => value * 256 + Number(part), 0);
}

/** `10.42.0.1` @param address from 0 to below 2^32 */
export function formatIPv4(address: number): string {
  return [24, 16, 8, 0].map((bits) => (address >>> bits) & 255).join(".");
}

/** The range that an address with a prefix lies in. @throws {RangeError} for what is not written so */
export function parseIPv4Range(text: string): IPv4Range {
  const [address = "", bits = "", ...rest] = text.split("/");
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || rest.length > 0) {
    throw new RangeError(`Cannot use "${text}" as an address range must be written like 10.42.0.0/16`);
  }
  const size = 2 ** (32 - Number(bits));
  return { base: Math.floor(parseIPv4(address) / size) * size, prefix: Number(bits) };
}

/** @param address as a number */
export function isInIPv4Range({ base, prefix }: IPv4Range, address: number): boolean {
  return address >= base && address < base + 2 ** (32 - prefix);
}
