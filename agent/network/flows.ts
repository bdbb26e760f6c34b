/**
 * Connections of UDP, which nobody ends: the kernel goes on sending a client's packets where it sent the first one,
 * also when that endpoint is gone. Pure: what conntrack(8) lists, and which of it must be forgotten.
 */
import type { Port } from "./service_ports.ts";

export interface Flow {
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
  /** Who answers: the destination, or the endpoint that its address was translated to. */
  answers: string;
}

const LINE = /^udp\s.*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?src=(\S+) dst=\S+ sport=\d+ dport=\d+/;

/** @param listed by `conntrack -L -p udp` */
export function parseFlows(listed: string): Flow[] {
  return listed.split("\n").flatMap((line) => {
    const found = LINE.exec(line);
    if (found === null) return [];
    const [, source, destination, sourcePort, destinationPort, answers] = found;
    return [{
      source: source!,
      destination: destination!,
      sourcePort: Number(sourcePort),
      destinationPort: Number(destinationPort),
      answers: answers!,
    }];
  });
}

/** Flows to Services that are answered by somebody who is not, or no longer, an endpoint. */
export function staleFlows(flows: readonly Flow[], ports: readonly Port[]): Flow[] {
  const byAddress = new Map<string, ReadonlySet<string>>();
  const byNodePort = new Map<number, ReadonlySet<string>>();
  for (const port of ports.filter(({ protocol }) => protocol === "udp")) {
    const endpoints = new Set(port.backends.map(({ address }) => address));
    for (const address of [...port.clusterAddresses, ...port.externalAddresses]) {
      byAddress.set(`${address}:${port.port}`, endpoints);
    }
    if (port.nodePort !== undefined) byNodePort.set(port.nodePort, endpoints);
  }
  return flows.filter(({ destination, destinationPort, answers }) => {
    const endpoints = byAddress.get(`${destination}:${destinationPort}`) ??
      // Only where an address was translated: to the same port of others this machine may speak as it likes.
      (answers === destination ? undefined : byNodePort.get(destinationPort));
    return endpoints !== undefined && !endpoints.has(answers);
  });
}

/** Commands for `conntrack --load-file`. */
export function forgetFlows(flows: readonly Flow[]): string {
  return flows.map(({ source, destination, sourcePort, destinationPort }) =>
    `-D -p udp -s ${source} -d ${destination} --sport ${sourcePort} --dport ${destinationPort}\n`
  ).join("");
}
