/**
 * Connections of UDP, which nobody ends: the kernel goes on sending a client's packets where it sent the first one,
 * also when that endpoint is gone. Pure: what conntrack(8) lists, and which of it must be forgotten.
 */
import type { HostPort, Port } from "./service_ports.ts";

export interface Flow {
  source: string;
  destination: string;
  sourcePort: number;
  destinationPort: number;
  /** Who answers: the destination, or the endpoint that its address was translated to. */
  answers: string;
  isAnswered: boolean;
}

const LINE =
  /^udp\s.*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) (\[UNREPLIED\])?.*?src=(\S+) dst=\S+ sport=\d+ dport=\d+/;

/** @param listed by `conntrack -L -p udp` */
export function parseFlows(listed: string): Flow[] {
  return listed.split("\n").flatMap((line) => {
    const found = LINE.exec(line);
    if (found === null) return [];
    const [, source, destination, sourcePort, destinationPort, unreplied, answers] = found;
    return [{
      source: source!,
      destination: destination!,
      sourcePort: Number(sourcePort),
      destinationPort: Number(destinationPort),
      answers: answers!,
      isAnswered: unreplied === undefined,
    }];
  });
}

/** Flows to Services and host ports that are answered by somebody who is not, or no longer, behind them. */
export function staleFlows(flows: readonly Flow[], ports: readonly Port[], hostPorts: readonly HostPort[]): Flow[] {
  const byAddress = new Map<string, ReadonlySet<string>>();
  const byNodePort = new Map<number, ReadonlySet<string>>();
  for (const port of ports.filter(({ protocol }) => protocol === "udp")) {
    const endpoints = new Set(port.backends.map(({ address }) => address));
    for (const address of [...port.clusterAddresses, ...port.externalAddresses]) {
      byAddress.set(`${address}:${port.port}`, endpoints);
    }
    if (port.nodePort !== undefined) byNodePort.set(port.nodePort, endpoints);
  }
  for (const { hostPort, hostAddress, podAddress } of hostPorts.filter(({ protocol }) => protocol === "udp")) {
    if (hostAddress === undefined) byNodePort.set(hostPort, new Set([podAddress]));
    else byAddress.set(`${hostAddress}:${hostPort}`, new Set([podAddress]));
  }
  return flows.filter(({ destination, destinationPort, answers, isAnswered }) => {
    const endpoints = byAddress.get(`${destination}:${destinationPort}`) ??
      // Who is answered by the very address speaks to another machine, or to a program of this one.
      (answers === destination && isAnswered ? undefined : byNodePort.get(destinationPort));
    return endpoints !== undefined && !endpoints.has(answers);
  });
}

/** Commands for `conntrack --load-file`. */
export function forgetFlows(flows: readonly Flow[]): string {
  return flows.map(({ source, destination, sourcePort, destinationPort }) =>
    `-D -p udp -s ${source} -d ${destination} --sport ${sourcePort} --dport ${destinationPort}\n`
  ).join("");
}
