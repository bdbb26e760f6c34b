/** The load tool for Kubernetes APIs (`tools/peers/kbench`), run against a control plane. */
import type { ControlPlane } from "./control_plane.ts";

/** What it writes of a measurement. Times are milliseconds, CPU times seconds. */
export interface Measured {
  /** Such as "create configmap json c=16". */
  name: string;
  /** How many requests were answered, or events came. */
  n: number;
  perSecond: number;
  p50: number;
  p99: number;
  max: number;
  errors: number;
  firstError?: string;
  cpu: Record<string, number>;
  clientCpu: number;
  /** Of watches: what the writers saw, and how many events came of how many. */
  writeP50?: number;
  delivered?: number;
  expected?: number;
}

/** @throws when requests fail or events are lost: such figures mean nothing */
export async function kbench(
  program: string,
  plane: ControlPlane,
  options: Record<string, string | number | boolean>,
): Promise<Measured[]> {
  const pids = Object.entries(await plane.pids()).map(([name, pid]) => `${name}=${pid}`).join(",");
  const flags = Object.entries({ json: true, kubeconfig: plane.machine.kubeconfig, pids, ...options })
    .map(([name, value]) => `-${name}=${value}`);
  const { code, stdout, stderr } = await plane.machine.run([program, ...flags]);
  if (code !== 0) throw new Error(`kbench against ${plane.name} ended with exit ${code}:\n${stdout}${stderr}`);
  const all = stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Measured);
  for (const { name, errors, firstError, delivered, expected } of all) {
    if (errors > 0) throw new Error(`${errors} requests of "${name}" failed at ${plane.name}: ${firstError}`);
    if (delivered !== expected) {
      throw new Error(`The watches of "${name}" at ${plane.name} must hear of all: ${delivered} of ${expected}`);
    }
  }
  return all;
}

/** CPU time of all processes of the control plane for one request, in milliseconds. */
export function cpuEach({ cpu, n }: Measured): number {
  return Object.values(cpu).reduce((sum, seconds) => sum + seconds, 0) / n * 1000;
}
