/** Asks a container once whether it is well (core/v1 Probe; documentation: "Configure Liveness, Readiness and Startup Probes"). */
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Container, Probe } from "@k3ts/model/objects";

export interface Answer {
  ok: boolean;
  message: string;
}

export interface ProbeTarget {
  container: Container;
  /** Of the pod. */
  address: string;
  /** Runs a command in the container. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ code: number; output: string }>;
}

/** Never throws: what goes wrong is an answer. */
export async function probe(how: Probe, target: ProbeTarget): Promise<Answer> {
  const timeoutMs = (how.timeoutSeconds ?? 1) * 1000;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    if (how.exec !== undefined) {
      const { code, output } = await target.exec(how.exec.command ?? [], signal);
      return { ok: code === 0, message: output };
    }
    if (how.httpGet !== undefined) {
      const { host, path, scheme, httpHeaders } = how.httpGet;
      return await get({
        scheme: scheme ?? "HTTP",
        host: host || target.address,
        port: portOf(target.container, how.httpGet.port),
        path: path || "/",
        headers: Object.fromEntries((httpHeaders ?? []).map((one) => [one.name, one.value])),
        signal,
      });
    }
    if (how.tcpSocket !== undefined) {
      const { host, port } = how.tcpSocket;
      const connection = await Deno.connect({
        hostname: host || target.address,
        port: portOf(target.container, port),
        signal,
      });
      connection.close();
      return { ok: true, message: "" };
    }
    return { ok: false, message: "the probe must be exec, httpGet or tcpSocket" };
  } catch (error) {
    const message = signal.aborted
      ? `no answer after ${timeoutMs} ms`
      : error instanceof Error
      ? error.message
      : String(error);
    return { ok: false, message };
  }
}

interface Request {
  scheme: string;
  host: string;
  port: number;
  path: string;
  headers: Record<string, string>;
  signal: AbortSignal;
}

/** A connection of its own each time; certificates are not verified, as in Kubernetes. */
function get({ scheme, host, port, path, headers, signal }: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = {
      host,
      port,
      path,
      headers: { "user-agent": "kube-probe/1.35", accept: "*/*", connection: "close", ...headers },
      agent: false as const,
      signal,
    };
    const onResponse = (response: { statusCode?: number; destroy(): void }) => {
      const status = response.statusCode ?? 0;
      response.destroy();
      const ok = status >= 200 && status < 400;
      resolve({ ok, message: ok ? "" : `HTTP probe failed with statuscode: ${status}` });
    };
    const request = scheme === "HTTPS"
      ? httpsRequest({ ...options, rejectUnauthorized: false }, onResponse)
      : httpRequest(options, onResponse);
    request.on("error", reject);
    request.end();
  });
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
