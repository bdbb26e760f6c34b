/** The address ranges of a cluster, and the share of them that each node gets. IPv4. */
import { formatIPv4, parseIPv4Range } from "@k3ts/model";

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

/** The wished part of the cluster's range, or else the first, that no node has. @throws when all are taken */
export function nextNodeRange(podCidr: string, taken: ReadonlySet<string>, wished?: string): string {
  const { base, prefix } = parseIPv4Range(podCidr);
  const count = 2 ** Math.max(0, NODE_PREFIX - prefix);
  const parts = Array.from(
    { length: count },
    (_, index) => `${formatIPv4(base + index * 2 ** (32 - NODE_PREFIX))}/${NODE_PREFIX}`,
  );
  const free = parts.filter((part) => !taken.has(part));
  const range = free.find((part) => part === wished) ?? free[0];
  if (range !== undefined) return range;
  throw new RangeError(
    `Cannot give the node an address range as ${podCidr} must have one left: all ${count} are taken`,
  );
}

/** The address at a place in a range: 1 is the first that a machine may have. */
export function addressAt(cidr: string, place: number): string {
  return formatIPv4(parseIPv4Range(cidr).base + place);
}
