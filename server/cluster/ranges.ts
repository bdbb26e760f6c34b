/** The address ranges of a cluster, and the share of them that each node gets. IPv4. */

export interface ClusterRanges {
  /** 10.42.0.0/16. */
  podCidr: string;
  /** 10.43.0.0/16. */
  serviceCidr: string;
  /** Inside `serviceCidr`. */
  dnsAddress: string;
  /** cluster.local. */
  clusterDomain: string;
}

/** Each node has 254 addresses for its pods. */
const NODE_PREFIX = 24;

/** The first part of the cluster's range that no node has. @throws when all are taken */
export function nextNodeRange(podCidr: string, taken: ReadonlySet<string>): string {
  const { base, prefix } = parseCidr(podCidr);
  const count = 2 ** Math.max(0, NODE_PREFIX - prefix);
  for (let index = 0; index < count; index++) {
    const range = `${formatAddress(base + index * 2 ** (32 - NODE_PREFIX))}/${NODE_PREFIX}`;
    if (!taken.has(range)) return range;
  }
  throw new RangeError(
    `Cannot give the node an address range as ${podCidr} must have one left: all ${count} are taken`,
  );
}

/** @throws for what is not an IPv4 range */
export function parseCidr(cidr: string): { base: number; prefix: number } {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  const parts = match?.slice(1).map(Number);
  if (parts === undefined || parts.slice(0, 4).some((part) => part > 255) || parts[4]! > 32) {
    throw new RangeError(`Cannot use "${cidr}" as an address range must be written like 10.42.0.0/16`);
  }
  const [a, b, c, d, prefix] = parts as [number, number, number, number, number];
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const size = 2 ** (32 - prefix);
  return { base: Math.floor(address / size) * size, prefix };
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((bits) => Math.floor(address / 2 ** bits) % 256).join(".");
}

/** The address at a place in a range: 1 is the first that a machine may have. */
export function addressAt(cidr: string, place: number): string {
  return formatAddress(parseCidr(cidr).base + place);
}
