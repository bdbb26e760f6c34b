/** wrk, a load tool for HTTP/1.1. */
import type { TestMachine } from "@k3ts/tests/machine";

export interface WrkOptions {
  program: string;
  connections: number;
  seconds: number;
  /** A new connection for each request. */
  fresh?: boolean;
}

/** @param uid the pod in whose network it runs @throws when requests fail */
export async function wrk(
  machine: TestMachine,
  uid: string,
  url: string,
  { program, connections, seconds, fresh = false }: WrkOptions,
): Promise<{ perSecond: number; p50Ms: number }> {
  const close = fresh ? ["-H", "Connection: close"] : [];
  const words = [program, "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", ...close, url];
  const { code, stdout, stderr } = await (await machine.commandInPodNetwork(uid, words)).output();
  const text = new TextDecoder().decode(stdout);
  if (code !== 0 || /Socket errors|Non-2xx/.test(text)) {
    throw new Error(`wrk ${url} failed:\n${text}${new TextDecoder().decode(stderr)}`);
  }
  const perSecond = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? NaN);
  const [, value, unit] = /50%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  return { perSecond, p50Ms: Number(value ?? NaN) * { us: 0.001, ms: 1, s: 1000 }[unit as "us" | "ms" | "s"] };
}
