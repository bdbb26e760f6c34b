/** Asks a container once whether it is well (core/v1 Probe; documentation: "Configure Liveness, Readiness and Startup Probes"). */
import type { Container, Probe } from "@k3ts/model/objects";
import { askGrpc } from "./grpc_probe.ts";
import { askHttp, requestOf } from "./http_probe.ts";

export interface Answer {
  /** `warning`: well, but people should know what it said. */
  result: "success" | "warning" | "failure";
  message: string;
}

export interface ProbeTarget {
  container: Container;
  /** Of the pod. */
  address: string;
  /** Runs a command in the container. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ code: number; output: string }>;
}

/** @throws where the container could not be asked at all: that says nothing of it */
export async function probe(how: Probe, target: ProbeTarget): Promise<Answer> {
  const seconds = how.timeoutSeconds ?? 1;
  const signal = AbortSignal.timeout(seconds * 1000);
  if (how.exec !== undefined) return await askExec(how.exec.command ?? [], target, seconds, signal);
  if (how.httpGet !== undefined) return await askHttp(requestOf(how.httpGet, target, "kube-probe/1.35"), signal);
  if (how.tcpSocket !== undefined) {
    const hostname = how.tcpSocket.host || target.address;
    return await askTcp(hostname, portOf(target.container, how.tcpSocket.port), signal);
  }
  if (how.grpc !== undefined) {
    return await askGrpc(target.address, how.grpc.port, how.grpc.service ?? "", seconds, signal);
  }
  throw new Error(
    `Cannot probe container "${target.container.name}" as the probe must be exec, httpGet, tcpSocket or grpc`,
  );
}

async function askExec(
  command: readonly string[],
  target: ProbeTarget,
  seconds: number,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const { code, output } = await target.exec(command, signal);
    return { result: code === 0 ? "success" : "failure", message: output };
  } catch (error) {
    if (!signal.aborted) throw error;
    return {
      result: "failure",
      message: `command timed out: ${JSON.stringify(command.join(" "))} timed out after ${seconds}s`,
    };
  }
}

async function askTcp(hostname: string, port: number, signal: AbortSignal): Promise<Answer> {
  try {
    const connection = await Deno.connect({ hostname, port, signal });
    connection.close();
    return { result: "success", message: "" };
  } catch (error) {
    const because = signal.aborted ? "i/o timeout" : plainWords(error);
    return { result: "failure", message: `dial tcp ${hostname}:${port}: ${because}` };
  }
}

/** What the system said of a connection, without the number behind it: `connect: connection refused`. */
export function plainWords(error: unknown): string {
  const deepest = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const said = deepest instanceof Error ? deepest.message : String(deepest);
  const known = /(connection refused|connection reset|no route to host|network is unreachable|host is unreachable)/i
    .exec(said)?.[1];
  return known === undefined ? said.replace(/ \(os error \d+\)/, "") : `connect: ${known.toLowerCase()}`;
}

/** A number, or the name of one of the container's ports. */
export function portOf(container: Container, port: string | number): number {
  const number = typeof port === "number" ? port : /^\d+$/.test(port) ? Number(port) : undefined;
  const named = number ?? container.ports?.find((one) => one.name === port)?.containerPort;
  if (named === undefined) {
    throw new Error(`Cannot probe port "${port}" as container "${container.name}" must have a port of that name`);
  }
  return named;
}
