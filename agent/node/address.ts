/** Under which address other nodes reach this machine (Node.status.addresses, InternalIP). */
import { lookup } from "node:dns/promises";
import type { Client } from "@connectrpc/connect";
import { delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { isIPv4 } from "@k3ts/model/objects";
import type { NetworkService } from "@k3ts/proto";

/** Of no machine (RFC 5737): the way there is the way out. */
const SOMEWHERE = "192.0.2.1";
const LOOPBACK = "127.0.0.1";
/** What is behind these is on this machine. */
const OWN_INTERFACES = /^k3(ts0|v)/;

export interface AddressSources {
  network: Pick<Client<typeof NetworkService>, "findSource">;
  interfaces: () => readonly { name: string; family: string; address: string }[];
  /** IPv4 addresses of a name. */
  resolve: (host: string) => Promise<string[]>;
}

/** Of the real machine. */
export function addressSources(network: AddressSources["network"]): AddressSources {
  return {
    network,
    interfaces: () => Deno.networkInterfaces(),
    resolve: async (host) => (await lookup(host, { all: true, family: 4 })).map(({ address }) => address),
  };
}

/** The address from which it speaks to the server; where that is itself, from which it speaks to others. */
export async function findNodeAddress(serverUrl: string, sources: AddressSources): Promise<string> {
  const host = new URL(serverUrl).hostname;
  // Without a name service the way out will do.
  const servers = isIPv4(host) ? [host] : await sources.resolve(host).catch(() => []);
  for (const destination of [...servers, SOMEWHERE]) {
    const found = await sources.network.findSource({ destination }).catch(() => undefined); // there is no way there
    if (found !== undefined && isIPv4(found.address) && !found.address.startsWith("127.")) return found.address;
  }
  const usable = sources.interfaces().find(({ name, family, address }) =>
    family === "IPv4" && !address.startsWith("127.") && !OWN_INTERFACES.test(name)
  );
  return usable?.address ?? LOOPBACK;
}

const LOOK_MS = 10_000;

/**
 * Looks for another address when the machine no longer has the node's, or had none when the agent was started: names
 * and numbers may come after the processes of a boot, and change in a machine's life. Runs until the signal fires.
 * @param facts whose address is replaced
 * @param changed called when it was
 */
export async function keepNodeAddress(
  facts: { address: string },
  serverUrl: string,
  sources: AddressSources,
  changed: () => void,
  log: Log,
  signal: AbortSignal,
  lookMs: number = LOOK_MS,
): Promise<void> {
  while (!signal.aborted) {
    await delay(lookMs, signal).catch(() => {}); // the signal has fired
    const before = facts.address;
    if (signal.aborted || (before !== LOOPBACK && sources.interfaces().some(({ address }) => address === before))) {
      continue;
    }
    const found = await findNodeAddress(serverUrl, sources);
    // The way back may be by the one that it had.
    if (found === LOOPBACK || found === before) continue;
    facts.address = found;
    log.info("Other nodes reach this one by another address", { address: found, before });
    changed();
  }
}
