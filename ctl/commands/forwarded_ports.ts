/** Which ports `port-forward` means, in kubectl's words. Pure. */
import type { Pod, Service } from "@k3ts/model";
import { Problem } from "../problem.ts";

/** `8080:80`, `80`, `:80`, `8080:http`. */
export interface AskedPort {
  /** 0: any that is free. undefined: as the other. */
  local: number | undefined;
  /** A number, or a name of the pod's or Service's. */
  remote: string;
}

export interface ForwardedPort {
  local: number;
  /** Of the pod. */
  remote: number;
}

/** @throws {Problem} */
export function parsePorts(words: readonly string[]): AskedPort[] {
  return words.map((word) => {
    const [first = "", second, ...rest] = word.split(":");
    const remote = second ?? first;
    if (rest.length > 0 || remote === "") throw new Problem(`A port must be [LOCAL:]REMOTE: it is "${word}".`);
    if (second === undefined) return { local: undefined, remote };
    return { local: first === "" ? 0 : parsePort(first, 0), remote };
  });
}

function parsePort(text: string, min: number): number {
  if (/^\d{1,5}$/.test(text) && Number(text) >= min && Number(text) <= 65535) return Number(text);
  throw new Problem(`A port must be a number from ${min} to 65535: it is "${text}".`);
}

/** @returns `localhost` as both families know it */
export function parseAddresses(text: string): string[] {
  const words = text.split(",").map((word) => word.trim()).filter((word) => word !== "");
  if (words.length === 0) throw new Problem("--address must name an address: it is empty.");
  return [...new Set(words.flatMap((word) => word === "localhost" ? ["127.0.0.1", "::1"] : [word]))];
}

/** The port of a pod: by its number or name, or by a Service's that leads to it. @throws {Problem} */
export function podPort(
  local: number | undefined,
  remote: string,
  pod: Pod,
  service: Service | undefined,
): ForwardedPort {
  const number = service === undefined ? containerPort(remote, pod) : servicePort(remote, pod, service);
  return { local: local ?? (/^\d+$/.test(remote) ? parsePort(remote, 1) : number), remote: number };
}

function containerPort(text: string, { metadata, spec }: Pod): number {
  if (/^\d+$/.test(text)) return parsePort(text, 1);
  const ports = [...spec.containers, ...(spec.initContainers ?? [])].flatMap(({ ports }) => ports ?? []);
  const found = ports.find(({ name }) => name === text);
  if (found === undefined) throw new Problem(`Pod ${metadata.name} has no port named "${text}".`);
  return found.containerPort;
}

function servicePort(text: string, pod: Pod, { metadata, spec }: Service): number {
  const found = spec?.ports?.find(({ name, port }) => name === text || String(port) === text);
  if (found === undefined) throw new Problem(`Service ${metadata.name} has no port ${text}.`);
  // Without an address of its own its port is the pod's.
  if (spec?.clusterIP === "None") return found.port;
  const target = found.targetPort;
  return target === undefined || target === 0 || target === "" ? found.port : containerPort(String(target), pod);
}
