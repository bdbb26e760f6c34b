/** Under which addresses a machine is reached, and which of them it serves the API on. */
import { networkInterfaces } from "node:os";
import { isIP } from "node:net";
import { NETWORK_DEFAULTS } from "./plan.ts";
import { Problem } from "../problem.ts";

const LOOPBACK = "127.0.0.1";
const EVERY = ["0.0.0.0", "::"];
/** Interfaces of ours: what is behind them is on this machine. */
const OWN_INTERFACES = /^k3(ts0|v)/;

/** The addresses of an API, as they are used. */
export interface ApiAddresses {
  /** Where the gateway listens. */
  listen: string[];
  /** What the serving certificate is for. */
  names: string[];
  /** Where pods reach it: what stands behind the `kubernetes` Service. */
  advertise: string;
  /** Where other machines reach it; undefined when they do not. */
  outside?: string;
}

export interface Machine {
  hostname: string;
  /** Its addresses, that of the way out first. */
  addresses: readonly string[];
}

/**
 * @param listen as a person has given them; none: this machine's loopback and its pods only
 * @param names more names and addresses that the serving certificate is to have
 */
export function apiAddresses(listen: readonly string[], names: readonly string[], machine: Machine): ApiAddresses {
  for (const address of listen) {
    if (isIP(address) === 0) {
      throw new Problem(`--listen must be an address of this machine, such as 10.0.0.1: it is "${address}".`);
    }
    const isOwn = isIP(address) === 6 || isLoopback(address) || EVERY.includes(address);
    if (!isOwn && !machine.addresses.includes(address)) {
      throw new Problem(
        `--listen must be an address of this machine, which has ${machine.addresses.join(", ") || "none"}: ` +
          `it is "${address}".`,
      );
    }
  }
  const everywhere = listen.some((address) => EVERY.includes(address));
  const reachable = listen.filter((address) => !isLoopback(address));
  const outside = (everywhere ? machine.addresses : reachable).find((address) => isIP(address) === 4);
  if (outside === undefined && reachable.length > 0 && !everywhere) {
    throw new Problem(`--listen must also have an IPv4 address, as pods reach the API by one: it has ${reachable}.`);
  }
  const unique = (list: string[]) => [...new Set(list)];
  return {
    // The first is for this machine itself. An address that stands for all of them cannot be bound beside another one.
    listen: everywhere
      ? unique(listen.filter((address) => EVERY.includes(address)))
      : unique([LOOPBACK, ...listen, ...(outside === undefined ? [NETWORK_DEFAULTS.bridgeAddress] : [])]),
    names: unique([
      LOOPBACK,
      ...(everywhere ? [machine.hostname, ...machine.addresses] : listen),
      ...(outside === undefined ? [NETWORK_DEFAULTS.bridgeAddress] : []),
      ...names,
    ]),
    advertise: outside ?? NETWORK_DEFAULTS.bridgeAddress,
    ...(outside !== undefined && { outside }),
  };
}

/**
 * What a node is to be reached by must be its own: others would send what is for its pods to somebody else.
 * @param nodeIp `--node-ip`
 * @param addresses of this machine, that others can reach
 */
export function refuseForeign(nodeIp: string, addresses: readonly string[]): void {
  if (addresses.includes(nodeIp)) return;
  const has = addresses.join(", ") || "none";
  throw new Problem(`--node-ip must be an IPv4 address of this machine, which has ${has}: it is "${nodeIp}".`);
}

export function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

/** IPv4: that of the interface of the default route first. */
export async function addressesOfMachine(): Promise<string[]> {
  const routes = await Deno.readTextFile("/proc/net/route").catch(() => "");
  const wayOut = routes.split("\n").map((line) => line.split("\t"))
    .find((row) => row[1] === "00000000" && row[7] === "00000000")?.[0];
  return Object.entries(networkInterfaces())
    .filter(([name]) => !OWN_INTERFACES.test(name))
    .sort(([a], [b]) => Number(b === wayOut) - Number(a === wayOut))
    .flatMap(([, rows]) => rows ?? [])
    .filter(({ family, internal }) => family === "IPv4" && !internal)
    .map(({ address }) => address);
}
