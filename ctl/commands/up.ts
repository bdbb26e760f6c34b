/** `k3ts up`, `server`, `agent` and `down`: a cluster, its control plane or a node on this machine. */
import { createClient } from "@connectrpc/connect";
import { type Command, Option } from "commander";
import { hostname } from "node:os";
import { delay, loadKubeconfig, waitFor } from "@k3ts/client";
import { type Node, resources } from "@k3ts/model";
import { ClusterService } from "@k3ts/proto";
import { attempt, interruption } from "../command.ts";
import { NETWORK_DEFAULTS, planComponents } from "../components/plan.ts";
import { portProblem, preflight } from "../components/preflight.ts";
import { keepRunning, leftovers, refuseSecond, start, stop } from "../components/running.ts";
import { findSupervisor } from "../components/supervisor.ts";
import { type Connection, connectTo, DATA_DIR } from "../connection.ts";
import { nativeFolder, ROOT } from "../installation.ts";
import { Problem } from "../problem.ts";
import { showDemo } from "./demo.ts";

interface UpOptions {
  dataDir: string;
  port: string;
  nodeName: string;
  demo?: boolean;
}

interface AgentOptions extends UpOptions {
  server: string;
  token?: string;
}

const READY_MS_MAX = 120_000;
const LOOK_EVERY_MS = 100;
/** A node joins as soon as it is started. */
const LOCAL_TOKEN_SECONDS = 600n;

export function registerUp(program: Command): void {
  const dataDir = () => new Option("--data-dir <path>", "where k3ts keeps its files").default(DATA_DIR);
  const port = () => new Option("--port <number>", "where the API is served").default("6443");
  const nodeName = () =>
    new Option("--node-name <name>", "how this machine is called in the cluster").default(hostname().toLowerCase());

  program.command("up")
    .description("a whole cluster on this machine, until Ctrl-C; its containers stay")
    .addOption(dataDir()).addOption(port()).addOption(nodeName())
    .option("--demo", "run examples/hello and show its page")
    .action((options: UpOptions) => attempt(() => up(options)));
  program.command("server")
    .description("the control plane, for nodes elsewhere")
    .addOption(dataDir()).addOption(port())
    .action((options: UpOptions) => attempt(() => server(options)));
  program.command("agent")
    .description("a node of the cluster whose server is named")
    .requiredOption("--server <url>", "the cluster's API: https://10.0.0.1:6443")
    .option("--token <token>", "a join token, the first time (k3ts token create)")
    .addOption(dataDir()).addOption(nodeName())
    .action((options: AgentOptions) => attempt(() => agent(options)));
  program.command("down")
    .description("stop what `up`, `server` or `agent` started here")
    .addOption(dataDir())
    .option("--containers", "and the pods too")
    .action((options: { dataDir: string; containers?: boolean }) => attempt(() => down(options)));
}

async function up(options: UpOptions): Promise<void> {
  const { run, port } = await prepare(options, ["server", "node"], [`127.0.0.1`, NETWORK_DEFAULTS.bridgeAddress]);
  const signal = interruption();
  const started = performance.now();
  const link = await start(run);
  const ready = awaitReady(options, signal).then(async (connection) => {
    using open = connection;
    console.log(introduction(options.dataDir, port, performance.now() - started));
    if (options.demo) await showDemo(open, options.dataDir, signal);
  });
  // Whatever fails first ends the other: a person wants to know, and nothing half-started should stay.
  const ended = keepRunning(run, link, signal);
  await Promise.race([ended, ready.then(() => ended)]).catch(async (error) => {
    const last = await findSupervisor(options.dataDir);
    if (last !== undefined) await stop(last);
    if (!signal.aborted) throw error;
  });
}

async function server(options: UpOptions): Promise<void> {
  const { run, port } = await prepare(options, ["server"], ["0.0.0.0"]);
  const signal = interruption();
  const link = await start(run);
  console.log(
    `The control plane starts on port ${port}.\n\nexport KUBECONFIG=${options.dataDir}/admin.kubeconfig\n\nFor a node to join: k3ts token create`,
  );
  await keepRunning(run, link, signal);
}

async function agent(options: AgentOptions): Promise<void> {
  const { run } = await prepare({ ...options, port: "6443" }, ["node"], [], options.server);
  if (options.token !== undefined) await writeToken(options.dataDir, options.token);
  const signal = interruption();
  const link = await start(run);
  console.log(`This machine joins ${options.server} as ${options.nodeName}.`);
  await keepRunning(run, link, signal);
}

async function down(options: { dataDir: string; containers?: boolean }): Promise<void> {
  const link = await findSupervisor(options.dataDir);
  if (link !== undefined) {
    await stop(link);
    console.log(`k3ts on ${options.dataDir} is stopped.`);
  } else console.log(`k3ts does not run on ${options.dataDir}.`);
  if (!options.containers) return;
  // The agent knows what it has made; it is run once more, to take it away.
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "-A",
      "--config",
      `${ROOT}/deno.json`,
      `${ROOT}/agent/main.ts`,
      "--data-dir",
      options.dataDir,
      "--remove-all",
    ],
    env: { K3TS_NATIVE: nativeFolder() },
  }).spawn().status;
  if (code !== 0) throw new Problem(`The clean-up of containers ended with exit ${code}.`);
  console.log("Its containers, networks and mounts are gone.");
}

async function prepare(
  options: UpOptions,
  roles: readonly ("server" | "node")[],
  listen: string[],
  serverUrl?: string,
) {
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Problem(`--port must be a number from 1 to 65535: it is "${options.port}".`);
  }
  const { dataDir, nodeName } = options;
  if (!dataDir.startsWith("/")) throw new Problem(`--data-dir must be an absolute path: it is "${dataDir}".`);
  const native = nativeFolder();
  const problems = await preflight({ roles, dataDir, port, native });
  if (problems.length > 0) throw new Problem(problems.join("\n"));
  await Deno.mkdir(dataDir, { recursive: true, mode: 0o700 });
  await refuseSecond(dataDir);
  // What an earlier supervisor left running holds the port itself.
  const taken = (await leftovers(dataDir)).length === 0
    ? listen.map((address) => portProblem(address, port)).find(Boolean)
    : undefined;
  if (taken !== undefined) throw new Problem(taken);
  const config = planComponents({
    roles,
    dataDir,
    port,
    listen,
    serverUrl: serverUrl ?? `https://127.0.0.1:${port}`,
    nodeName,
    network: NETWORK_DEFAULTS,
    root: ROOT,
    native,
    deno: Deno.execPath(),
  });
  return { run: { dataDir, native, config }, port };
}

/** Lets the local node join, and waits until it is Ready. */
async function awaitReady({ dataDir, nodeName }: UpOptions, signal: AbortSignal): Promise<Connection> {
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(READY_MS_MAX)]);
  try {
    const connection = await serverAnswers(dataDir, deadline);
    if (!await exists(`${dataDir}/node/node.crt`)) {
      const cluster = createClient(ClusterService, connection.transport);
      const { token } = await cluster.createToken({ ttlSeconds: LOCAL_TOKEN_SECONDS, description: `node ${nodeName}` });
      await writeToken(dataDir, token);
    }
    await waitFor(connection.clients.of<Node>(resources.nodes), nodeName, isReady, { signal: deadline });
    return connection;
  } catch (error) {
    if (!signal.aborted && deadline.aborted) {
      throw new Problem(
        `The cluster did not become ready within ${READY_MS_MAX / 1000} s.`,
        `Its logs: ${dataDir}/logs`,
        { cause: error },
      );
    }
    throw error;
  }
}

async function serverAnswers(dataDir: string, signal: AbortSignal): Promise<Connection> {
  while (true) {
    signal.throwIfAborted();
    if (await exists(`${dataDir}/admin.kubeconfig`)) {
      const connection = connectTo(await loadKubeconfig({ path: `${dataDir}/admin.kubeconfig` }));
      const answers = await createClient(ClusterService, connection.transport).getInfo({}, { timeoutMs: 5_000, signal })
        .then(() => true, () => false);
      if (answers) return connection;
      connection[Symbol.dispose]();
    }
    await delay(LOOK_EVERY_MS, signal);
  }
}

function isReady(node: Node | undefined): boolean {
  return node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

async function writeToken(dataDir: string, token: string): Promise<void> {
  await Deno.mkdir(`${dataDir}/node`, { recursive: true, mode: 0o700 });
  await Deno.writeTextFile(`${dataDir}/node/token.next`, token, { mode: 0o600 });
  await Deno.rename(`${dataDir}/node/token.next`, `${dataDir}/node/token`);
}

function introduction(dataDir: string, port: number, ms: number): string {
  return [
    `k3ts is ready after ${(ms / 1000).toFixed(1)} s: https://127.0.0.1:${port}`,
    "",
    `export KUBECONFIG=${dataDir}/admin.kubeconfig`,
    "",
    "Next: kubectl get nodes (or: k3ts get nodes). Ctrl-C stops k3ts and leaves the containers running.",
  ].join("\n");
}

async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, () => false);
}
