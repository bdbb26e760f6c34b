/** IPv4 addresses as numbers. Pure. */

export interface Cidr {
  /** First address, as a number. */
  base: number;
  prefix: number;
}

export function parseAddress(text: string): number {
  const parts = text.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255)) {
    throw new Error(`Cannot read address "${text}" as it must be IPv4`);
  }
  return parts.reduce((value, part) => value * 256 + part, 0);
}

export function formatAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join(".");
}

export function parseCidr(text: string): Cidr {
  const [address = "", prefix = ""] = text.split("/");
  const bits = Number(prefix);
  if (prefix === "" || !Number.isInteger(bits) || bits < 0 || bits > 32) {
    throw new Error(`Cannot read range "${text}" as it must be an IPv4 address with a prefix length`);
  }
  const size = 2 ** (32 - bits);
  return { base: Math.floor(parseAddress(address) / size) * size, prefix: bits };
}

export function contains(cidr: Cidr, address: number): boolean {
  return address >= cidr.base && address < cidr.base + 2 ** (32 - cidr.prefix);
}

/** Whether it is IPv4 at all: EndpointSlices and Services may carry others. */
export function isIpv4(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text);
}
