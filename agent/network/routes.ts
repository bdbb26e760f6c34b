/**
 * Plans the routes to the pods of other nodes: each node's range by that node's address. Pure.
 *
 * What a Node object says is that node's own word: it may claim only a part of the cluster's range that nobody else
 * has, and can make others send nowhere but to itself.
 */
import { isIPv4, type Node, parseIPv4, parseIPv4Range } from "@k3ts/model/objects";

export interface Route {
  /** 10.42.1.0/24 */
  destination: string;
  /** A neighbour of this machine. */
  gateway: string;
}

export interface OwnPlace {
  nodeName: string;
  /** This node's range. */
  nodeCidr: string;
  /** All pods of the cluster. */
  podCidr: string;
  serviceCidr: string;
}

export interface RoutePlan {
  routes: Route[];
  /** Why nodes have none, a sentence each. */
  refused: string[];
}

interface Range {
  first: number;
  last: number;
}

export function planRoutes(nodes: readonly Node[], own: OwnPlace): RoutePlan {
  const routes: Route[] = [];
  const refused: string[] = [];
  const cluster = rangeOf(own.podCidr)!;
  const mine = rangeOf(own.nodeCidr)!;
  const taken = [mine];
  for (const node of [...nodes].sort(byAge)) {
    const { name } = node.metadata;
    const destination = node.spec?.podCIDR;
    const gateway = node.status?.addresses?.find(({ type, address }) => type === "InternalIP" && isIPv4(address))
      ?.address;
    // One that has just been made will get both.
    if (name === own.nodeName || destination === undefined || gateway === undefined) continue;
    const range = rangeOf(destination);
    const problem = range === undefined || !isWithin(range, cluster) || sizeOf(range) !== sizeOf(mine)
      ? `its range must be a part of ${own.podCidr} as large as this node's: it is ${destination}`
      : taken.some((other) => overlap(other, range))
      ? `its range must be its own: ${destination} is another node's`
      : addressProblem(gateway, own);
    if (problem !== undefined) refused.push(`Cannot route to the pods of node "${name}" as ${problem}`);
    else {
      taken.push(range!);
      routes.push({ destination, gateway });
    }
  }
  return { routes: routes.sort((a, b) => (a.destination < b.destination ? -1 : 1)), refused };
}

/** Of two that claim one range, it is the one's that was there first. */
function byAge(a: Node, b: Node): number {
  const key = ({ metadata }: Node) => `${metadata.creationTimestamp ?? ""} ${metadata.name}`;
  return key(a) < key(b) ? -1 : 1;
}

function addressProblem(address: string, { podCidr, serviceCidr }: OwnPlace): string | undefined {
  const ip = parseIPv4(address);
  const isMachine = ![podCidr, serviceCidr, "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3"]
    .some((cidr) => isWithin({ first: ip, last: ip }, rangeOf(cidr)!));
  return isMachine ? undefined : `its address must be a machine's: it is ${address}`;
}

/** Undefined where it is no range, or begins in its middle. */
function rangeOf(cidr: string): Range | undefined {
  const match = /^([0-9.]+)\/(\d{1,2})$/.exec(cidr);
  if (match === null || !isIPv4(match[1]!) || Number(match[2]) > 32) return undefined;
  const { base, prefix } = parseIPv4Range(cidr);
  return base === parseIPv4(match[1]!) ? { first: base, last: base + 2 ** (32 - prefix) - 1 } : undefined;
}

function sizeOf({ first, last }: Range): number {
  return last - first + 1;
}

function isWithin(inner: Range, outer: Range): boolean {
  return inner.first >= outer.first && inner.last <= outer.last;
}

function overlap(a: Range, b: Range): boolean {
  return a.first <= b.last && b.first <= a.last;
}
