/** `k3ts up`, `server` and `agent`: a cluster, its control plane or a node on this machine. */
import { createClient } from "@connectrpc/connect";
import { type Command, Option } from "commander";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { validityOf } from "@k3ts/client";
import { type Level, levelOf, LEVELS, LOG_LEVEL_VARIABLE } from "@k3ts/client/telemetry";
import { dnsSubdomainProblems } from "@k3ts/model";
import { ClusterService } from "@k3ts/proto";
import { attempt, dataDirOption, interruption } from "../command.ts";
import {
  addressesOfMachine,
  type ApiAddresses,
  apiAddresses,
  type Machine,
  refuseForeign,
} from "../components/addresses.ts";
import { NETWORK_DEFAULTS, planComponents } from "../components/plan.ts";
import { findRuntime, portProblem, preflight } from "../components/preflight.ts";
import { exists, nodeJoined, nodeReady, refusalPath, serverAnswers, whileStarting } from "../components/ready.ts";
import { keepRunning, leftovers, refuseSecond, type RunOptions, start, stop } from "../components/running.ts";
import { findSupervisor, type SupervisorLink } from "../components/supervisor.ts";
import type { Connection } from "../connection.ts";
import { nativeFolder, ROOT } from "../installation.ts";
import { parseDuration, parseWholeNumber } from "../numbers.ts";
import { explain, Problem } from "../problem.ts";
import { joinCommand } from "./cluster.ts";
import { showDemo } from "./demo.ts";

interface ServerOptions {
  dataDir: string;
  logLevel?: Level;
  port: string;
  listen: string[];
  tlsSan: string[];
  store?: string;
  certificateLifetime?: string;
  eventTtl?: string;
  nodeMonitorGracePeriod?: string;
}

interface NodeOptions {
  dataDir: string;
  logLevel?: Level;
  nodeName?: string;
  nodeIp?: string;
  cgroupParent?: string;
  runtime?: string;
  nodeLeaseDuration?: string;
  podPidsLimit?: string;
}

interface TokenOptions {
  token?: string;
  tokenFile?: string;
}

/** A node joins as soon as it is started. */
const LOCAL_TOKEN_SECONDS = 600n;
const TOKEN = /^K3TS1\.[0-9a-f]{64}\.[^.\s]+\.[^.\s]+$/i;
const PORT_DEFAULT = "6443";

export function registerUp(program: Command): void {
  const command = (name: string, description: string) =>
    program.command(name).description(description).addOption(dataDirOption())
      .addOption(
        new Option("--log-level <level>", "what is below it no process logs (default: $K3TS_LOG_LEVEL, else info)")
          .choices([...LEVELS]),
      );
  const collect = (value: string, before: string[]) => [...before, value];
  const withServer = (command: Command, unless: string) =>
    command
      .option("--port <number>", "where the API is served", PORT_DEFAULT)
      .option(
        "--listen <address>",
        `an address of this machine to serve the API on, for others to join; may be repeated (default: ${unless})`,
        collect,
        [],
      )
      .option("--tls-san <name>", "another name or address that others reach it by; may be repeated", collect, [])
      .addOption(
        new Option(
          "--store <engine>",
          "what keeps the state (default: what the data directory has, slatedb in a new one)",
        )
          .choices(["slatedb", "sqlite"]),
      )
      .option(
        "--certificate-lifetime <duration>",
        "how long certificates hold; they are renewed at two thirds of it (default: 365d)",
      )
      .option("--event-ttl <duration>", "how long events are kept (default: 1h)")
      .option(
        "--node-monitor-grace-period <duration>",
        "how long a node may be silent before its pods are moved elsewhere in time (default: 50s)",
      );
  const withNode = (command: Command) =>
    command
      .option("--node-name <name>", "this machine's name in the cluster (default: its host name)")
      .option("--node-ip <address>", "where other nodes reach it (default: its address on the way to the server)")
      .option("--runtime <program>", "what runs containers: crun, runc, youki, or the path of one (default: crun)")
      .option("--cgroup-parent <name>", "the cgroup that its pods' cgroups are in (default: k3ts)")
      .option("--pod-pids-limit <n>", "at most so many processes in a pod, threads too; -1: no limit (default: -1)")
      .option("--node-lease-duration <duration>", "four signs of life are sent in this time (default: 40s)");

  withNode(withServer(
    command("up", "a whole cluster on this machine, until Ctrl-C; its containers stay"),
    "this machine and its pods only",
  ))
    .option("--demo", "run examples/hello and show its page")
    .action((options: ServerOptions & NodeOptions & { demo?: boolean }) => attempt(() => up(options)));
  withServer(command("server", "the control plane, for nodes elsewhere, until Ctrl-C"), "all addresses")
    .action((options: ServerOptions) => attempt(() => server(options)));
  withNode(command("agent", "a node of the cluster whose server is named, until Ctrl-C; its containers stay"))
    .requiredOption("--server <url>", "the cluster's API: https://10.0.0.1:6443")
    .option("--token <token>", "a join token, the first time: k3ts token create")
    .option("--token-file <path>", "a file that has it; -: standard input")
    .action((options: NodeOptions & TokenOptions & { server: string }) => attempt(() => agent(options)));
}

async function up(options: ServerOptions & NodeOptions & { demo?: boolean }): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const port = parsePort(options.port);
  const nodeName = await nodeNameOf(dataDir, options.nodeName);
  const api = apiAddresses(options.listen, options.tlsSan, await thisMachine());
  const run = await prepare({
    ...options,
    roles: ["server", "node"],
    dataDir,
    port,
    nodeName,
    api,
    // Its own agent comes over the loopback, which tells nothing of where others find it.
    nodeIp: options.nodeIp ?? api.outside,
  });
  const since = Date.now();
  await running(run, async (link, signal) => {
    using connection = await whileStarting(dataDir, link, signal, async (signal) => {
      const connection = await serverAnswers(dataDir, signal);
      await letJoin(connection, dataDir, nodeName);
      await nodeReady(connection, nodeName, since, signal);
      return connection;
    });
    console.log([
      `k3ts is ready after ${((Date.now() - since) / 1000).toFixed(1)} s: https://127.0.0.1:${port}`,
      "",
      `export KUBECONFIG=${dataDir}/admin.kubeconfig`,
      "",
      "Next: kubectl get nodes (or: k3ts get nodes). Ctrl-C stops k3ts and leaves the containers running.",
      ...(api.outside === undefined ? [] : hintToJoin(api.outside, port)),
    ].join("\n"));
    // The cluster is there for whoever wants to find out why its demo is not.
    if (options.demo) await showDemo(connection, dataDir, signal).catch((error) => tellUnless(signal, error));
  });
  console.log(stopped(dataDir, "up"));
}

async function server(options: ServerOptions): Promise<void> {
  const dataDir = resolve(options.dataDir);
  const port = parsePort(options.port);
  const listen = options.listen.length > 0 ? options.listen : ["0.0.0.0"];
  const api = apiAddresses(listen, options.tlsSan, await thisMachine());
  const run = await prepare({ ...options, roles: ["server"], dataDir, port, nodeName: "", api });
  await running(run, async (link, signal) => {
    (await whileStarting(dataDir, link, signal, (signal) => serverAnswers(dataDir, signal)))[Symbol.dispose]();
    console.log([
      `The control plane serves on port ${port} of ${api.names.filter((name) => isIP(name) > 0).join(", ")}.`,
      "",
      `export KUBECONFIG=${dataDir}/admin.kubeconfig`,
      "",
      ...hintToJoin(api.outside ?? "127.0.0.1", port),
    ].join("\n"));
  });
}

function hintToJoin(address: string, port: number): string[] {
  return [
    "For a machine to join: make a token with `k3ts token create`, and there run",
    `  ${joinCommand(`https://${address}:${port}`)}`,
  ];
}

async function agent(options: NodeOptions & TokenOptions & { server: string }): Promise<void> {
  const dataDir = resolve(options.dataDir);
  if (!URL.canParse(options.server) || !options.server.startsWith("https://")) {
    throw new Problem(`--server must be a URL such as https://10.0.0.1:6443: it is "${options.server}".`);
  }
  const nodeName = await nodeNameOf(dataDir, options.nodeName);
  const joined = await hasJoined(dataDir);
  const token = await readToken(options);
  if (token === undefined && !joined) {
    throw new Problem(
      "A machine that has not joined yet needs --token or --token-file.",
      "Make one where the cluster's administrator is: k3ts token create",
    );
  }
  const run = await prepare({
    ...options,
    roles: ["node"],
    dataDir,
    port: 0,
    nodeName,
    serverUrl: options.server,
  });
  if (token !== undefined && !joined) await writeToken(dataDir, token);
  const since = Date.now();
  await running(run, async (link, signal) => {
    await whileStarting(dataDir, link, signal, async (signal) => {
      using connection = await nodeJoined(dataDir, options.server, signal);
      await nodeReady(connection, nodeName, since, signal);
    });
    console.log(`This machine is the node ${nodeName} of ${options.server}, and Ready.`);
  });
  console.log(stopped(dataDir, "agent"));
}

function tellUnless(ending: AbortSignal, error: unknown): void {
  if (!ending.aborted) console.error(explain(error));
}

interface Prepared {
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
async function prepare({ roles, dataDir, port, ...rest }: Prepared): Promise<RunOptions> {
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

/**
 * Runs the processes until Ctrl-C, and meanwhile does what is to be done once.
 * Whatever fails first ends the other: a person wants to know, and nothing half-started should stay.
 */
async function running(
  run: RunOptions,
  work: (link: SupervisorLink, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const signal = interruption();
  const link = await start(run);
  const ended = keepRunning(run, link, signal);
  await Promise.race([ended, work(link, signal).then(() => ended)]).catch(async (error) => {
    if (signal.aborted) return await ended;
    const last = await findSupervisor(run.dataDir);
    if (last !== undefined) await stop(last);
    throw error;
  });
}

/** The node of `up` needs no token from a person; nor does one whose certificate has ended while nothing ran. */
async function letJoin({ transport }: Connection, dataDir: string, nodeName: string): Promise<void> {
  if (await hasJoined(dataDir)) return;
  const { token } = await createClient(ClusterService, transport).createToken({
    ttlSeconds: LOCAL_TOKEN_SECONDS,
    description: `node ${nodeName}`,
    nodeName,
  });
  await writeToken(dataDir, token);
}

/** Whether the node has a certificate that still holds. */
async function hasJoined(dataDir: string): Promise<boolean> {
  const path = `${dataDir}/node/node.crt`;
  return await exists(path) && validityOf(await Deno.readTextFile(path)).notAfter > Date.now();
}

/** As an option, which others on this machine may see, from a file, or from standard input. */
async function readToken({ token, tokenFile }: TokenOptions): Promise<string | undefined> {
  if (token !== undefined && tokenFile !== undefined) {
    throw new Problem("A machine joins with one token: both --token and --token-file are given.");
  }
  const text = tokenFile === undefined
    ? token
    : await (tokenFile === "-" ? new Response(Deno.stdin.readable).text() : Deno.readTextFile(tokenFile))
      .catch((error) => {
        throw new Problem(`--token-file must be a file that can be read: ${error.message}.`);
      });
  if (text !== undefined && !TOKEN.test(text.trim())) {
    throw new Problem("The token must have the form K3TS1.<hash of the CA>.<id>.<secret>: it has another.");
  }
  return text?.trim();
}

async function writeToken(dataDir: string, token: string): Promise<void> {
  await Deno.mkdir(`${dataDir}/node`, { recursive: true, mode: 0o700 });
  await Deno.remove(refusalPath(dataDir)).catch(() => {}); // what was said of another token, if anything
  await Deno.writeTextFile(`${dataDir}/node/token.next`, token, { mode: 0o600 });
  await Deno.rename(`${dataDir}/node/token.next`, `${dataDir}/node/token`);
}

/** A node keeps the name that it was first given. */
async function nodeNameOf(dataDir: string, given: string | undefined): Promise<string> {
  const saved = (await Deno.readTextFile(`${dataDir}/node/name`).catch(() => "")).trim();
  if (saved !== "" && given !== undefined && given !== saved) {
    throw new Problem(`The node of ${dataDir} keeps its name "${saved}": it cannot be called "${given}".`);
  }
  const name = saved || (given ?? hostname().toLowerCase());
  const [problem] = dnsSubdomainProblems(name);
  if (problem !== undefined) {
    throw new Problem(`This machine cannot be called "${name}": ${problem}.`, "Give it another name with --node-name.");
  }
  return name;
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

function parsePort(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Problem(`--port must be a number from 1 to 65535: it is "${text}".`);
  }
  return port;
}

async function thisMachine(): Promise<Machine> {
  return { hostname: hostname().toLowerCase(), addresses: await addressesOfMachine() };
}

function stopped(dataDir: string, command: string): string {
  return [
    `\nk3ts has stopped; its containers go on. \`k3ts ${command}\` with the same options picks them up;`,
    `to end them: k3ts down --containers --data-dir ${dataDir}`,
  ].join("\n");
}
