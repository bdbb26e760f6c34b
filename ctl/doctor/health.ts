/** How the processes of this machine say that they are. */
import { metricsAt } from "@k3ts/client/telemetry";
import { explain } from "../problem.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";

const ANSWER_MS_MAX = 5_000;

/** @param names of those that run */
export async function examineHealth(dataDir: string, names: readonly string[]): Promise<Finding[]> {
  const examined = names.map(async (name) => {
    const look = CHECKS[name];
    if (look === undefined) return [];
    try {
      return await look(`${dataDir}/run/${name}.sock`, AbortSignal.timeout(ANSWER_MS_MAX));
    } catch (error) {
      const words = isTimeout(error)
        ? `nothing within ${ANSWER_MS_MAX / 1000} s`
        : explain(error).replace(/^Error: /, "");
      return [problem(
        name,
        `It runs, and does not answer on ${dataDir}/run/${name}.sock: ${words}`,
        `See why: tail ${dataDir}/logs/${name}.log`,
      )];
    }
  });
  return (await Promise.all(examined)).flat();
}

function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === "TimeoutError";
}

const CHECKS: Readonly<Record<string, (socket: string, signal: AbortSignal) => Promise<Finding[]>>> = {
  gateway: async (socket, signal) => judgeGateway(await metricsAt(socket)(signal)),
  dataplane: async (socket, signal) => judgeDataplane(await metricsAt(socket)(signal)),
  async agent(socket, signal) {
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path: socket } });
    const response = await fetch("http://agent/healthz?verbose", { client, signal });
    return judgeAgent(await response.text());
  },
};

/** @param figures in Prometheus's text format */
export function judgeGateway(figures: string): Finding[] {
  const waiting = figureOf(figures, "k3ts_gateway_requests_waiting");
  return waiting === undefined || waiting === 0
    ? []
    : [warning("gateway", `${waiting} requests wait for the server, or for a node to connect.`, "See: k3ts get nodes")];
}

export function judgeDataplane(figures: string): Finding[] {
  return figureOf(figures, "k3ts_dns_names") !== 0
    ? []
    : [warning("dataplane", "It has no names of the cluster yet.", "The agent brings them.")];
}

/** @param text `/healthz?verbose` */
export function judgeAgent(text: string): Finding[] {
  const failed = [...text.matchAll(/^\[-\](\S+) failed: (.*)$/gm)];
  if (failed.length === 0 && /^healthz check passed$/m.test(text)) return [ok("node health", "All checks pass.")];
  if (failed.length === 0) return [problem("node health", `The agent answers what nobody understands: ${text}`)];
  return failed.map(([, check, why]) => problem("node health", `${check}: ${why}`, "See logs/agent.log."));
}

/** Undefined for one that a process of another version does not have. */
function figureOf(figures: string, name: string): number | undefined {
  const [, value] = new RegExp(`^${name} (\\S+)$`, "m").exec(figures) ?? [];
  return value === undefined ? undefined : Number(value);
}
