/** `k3ts up`, `server` and `agent`: a cluster, its control plane or a node on this machine. */
import { type Command, Option } from "commander";
import { isIP } from "node:net";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { type Level, LEVELS } from "@k3ts/client/telemetry";
import { attempt, dataDirOption, interruption } from "../command.ts";
import { addressesOfMachine, apiAddresses, type Machine } from "../components/addresses.ts";
import { hasJoined, letJoin, nodeNameOf, readToken, type TokenOptions, writeToken } from "../components/joining.ts";
import { prepare } from "../components/prepare.ts";
import { nodeJoined, nodeReady, serverAnswers, whileStarting } from "../components/ready.ts";
import { keepRunning, type RunOptions, start, stop } from "../components/running.ts";
import { findSupervisor, type SupervisorLink } from "../components/supervisor.ts";
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
