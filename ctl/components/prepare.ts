/** From what a person has asked for to what is started: looked over first, so that nothing half-started stays. */
import { type Level, levelOf, LOG_LEVEL_VARIABLE } from "@k3ts/client/telemetry";
import { nativeFolder, ROOT } from "../installation.ts";
import { parseDuration, parseWholeNumber } from "../numbers.ts";
import { Problem } from "../problem.ts";
import { addressesOfMachine, type ApiAddresses, refuseForeign } from "./addresses.ts";
import { NETWORK_DEFAULTS, planComponents } from "./plan.ts";
import { findRuntime, portProblem, preflight } from "./preflight.ts";
import { leftovers, refuseSecond, type RunOptions } from "./running.ts";

export interface Prepared {
  roles: readonly ("server" | "node")[];
  dataDir: string;
  logLevel?: Level;
  port: number;
  nodeName: string;
  nodeIp?: string;
  cgroupParent?: string;
  runtime?: string;
  /** As people write durations: 40s. */
  nodeLeaseDuration?: string;
  podPidsLimit?: string;
  nodeMonitorGracePeriod?: string;
  store?: string;
  certificateLifetime?: string;
  eventTtl?: string;
  /** @default none is served */
  api?: ApiAddresses;
  /** @default this machine's */
  serverUrl?: string;
}

/** Looks for all that may stand in the way. @throws with a sentence for each of it */
export async function prepare({ roles, dataDir, port, ...rest }: Prepared): Promise<RunOptions> {
  const { listen, names, advertise } = rest.api ?? { listen: [], names: [], advertise: "" };
  if (rest.nodeIp !== undefined) refuseForeign(rest.nodeIp, await addressesOfMachine());
  const logLevel = rest.logLevel ?? levelFromEnvironment();
  // The supervisor has it from us.
  if (logLevel !== undefined) Deno.env.set(LOG_LEVEL_VARIABLE, logLevel);
  const native = nativeFolder();
  const runtime = roles.includes("node") ? await findRuntime(rest.runtime) : undefined;
  const problems = await preflight({ roles, native });
  if (problems.length > 0) throw new Problem(problems.join("\n"));
  await Deno.mkdir(dataDir, { recursive: true, mode: 0o700 }).catch((error) => {
    throw new Problem(`--data-dir must be a folder that can be written to: ${error.message}.`);
  });
  await refuseSecond(dataDir);
  // What an earlier supervisor left running holds the port itself.
  const taken = (await leftovers(dataDir)).length === 0
    ? listen.map((address) => portProblem(address, port)).find(Boolean)
    : undefined;
  if (taken !== undefined) throw new Problem(taken);
  const config = planComponents({
    roles,
    dataDir,
    logLevel,
    port,
    listen,
    serverNames: names,
    advertise,
    serverUrl: rest.serverUrl ?? `https://127.0.0.1:${port}`,
    nodeName: rest.nodeName,
    nodeIp: rest.nodeIp,
    cgroupParent: rest.cgroupParent,
    runtime,
    podPidsLimit: pidsLimitOf(rest.podPidsLimit),
    leaseSeconds: secondsOf("--node-lease-duration", rest.nodeLeaseDuration),
    eventSeconds: secondsOf("--event-ttl", rest.eventTtl),
    nodeGraceSeconds: secondsOf("--node-monitor-grace-period", rest.nodeMonitorGracePeriod),
    network: NETWORK_DEFAULTS,
    store: rest.store,
    ...(rest.certificateLifetime !== undefined && {
      certificateSeconds: parseLifetime(rest.certificateLifetime),
    }),
    root: ROOT,
    native,
    deno: Deno.execPath(),
  });
  return { dataDir, native, config };
}

/** Said here, as a process that was told a level that is none would not start. */
function levelFromEnvironment(): Level | undefined {
  const level = Deno.env.get(LOG_LEVEL_VARIABLE);
  if (level === undefined || level === "") return undefined;
  try {
    return levelOf(level);
  } catch (error) {
    throw new Problem(`${(error as Error).message}.`, `It is named by ${LOG_LEVEL_VARIABLE}.`, { cause: error });
  }
}

/** Shorter ones would be renewed all the time. */
const LIFETIME_SECONDS_MIN = 10;

function parseLifetime(text: string): number {
  const seconds = parseDuration("--certificate-lifetime", text);
  if (Number.isInteger(seconds) && seconds >= LIFETIME_SECONDS_MIN) return seconds;
  throw new Problem(
    `--certificate-lifetime must be at least ${LIFETIME_SECONDS_MIN}s, in whole seconds: it is "${text}".`,
  );
}

function secondsOf(option: string, duration: string | undefined): number | undefined {
  if (duration === undefined) return undefined;
  const seconds = parseDuration(option, duration);
  if (seconds < 1) throw new Problem(`${option} must be a second or more: it is "${duration}".`);
  return seconds;
}

function pidsLimitOf(text: string | undefined): number | undefined {
  if (text === undefined || text === "-1") return undefined;
  const limit = parseWholeNumber("--pod-pids-limit", text);
  if (limit < 1) throw new Problem(`--pod-pids-limit must be 1 or more, or -1: it is "${text}".`);
  return limit;
}
