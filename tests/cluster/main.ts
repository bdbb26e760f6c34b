/**
 * `deno task cluster`: a cluster of several machines to try things on, each a network namespace of this one. It lasts
 * until `down`, whatever becomes of the shell that started it.
 */
import { delay } from "@k3ts/client";
import { Command, InvalidArgumentError } from "commander";
import { fileURLToPath } from "node:url";
import { TestMachine } from "../e2e/machine.ts";
import { type ClusterState, isKept, kubeconfigOf, lockStart, LOG, programsOf, readState, removeRest } from "./state.ts";

const NODES_MAX = 250;
/** For its machines to be stopped in order; what is left then is taken away by force. */
const DOWN_MS_MAX = 90_000;
const POLL_MS = 100;

/** Something that a person has to know; shown without a stack. */
class Problem extends Error {}

const program = new Command("deno task cluster")
  .description("A cluster of several machines on this one, to try things on.")
  .enablePositionalOptions()
  .showHelpAfterError();
program.command("up")
  .description("start it, until all nodes are Ready")
  .option("--nodes <number>", "how many nodes", nodesOption, 3)
  .option("--server-only", "the server on a machine of its own, n1, which is no node")
  .action((options: { nodes: number; serverOnly?: boolean }) => up(options.nodes, options.serverOnly ?? false));
for (
  const [name, description] of [
    ["exec <machine> <command...>", "run a command on a machine: n1, n2, …, with kubectl and k3ts on the PATH"],
    ["kubectl <words...>", "run kubectl on the first machine"],
    ["k3ts <words...>", "run k3ts on the first machine"],
  ] as const
) {
  program.command(name).description(description).passThroughOptions().allowUnknownOption().helpOption(false)
    .action(async (...args: [string | string[], ...unknown[]]) => {
      const words = args.slice(0, -2).flat() as string[];
      Deno.exitCode = await exec(name.startsWith("exec") ? words : ["n1", name.split(" ")[0]!, ...words]);
    });
}
program.command("status").description("what there is").action(status);
program.command("down").description("end it, and remove all of it").action(down);
await program.parseAsync(Deno.args, { from: "user" }).catch((error) => {
  if (!(error instanceof Problem)) throw error;
  console.error(error.message);
  Deno.exitCode = 1;
});

async function up(nodes: number, serverOnly: boolean): Promise<void> {
  if (Deno.uid() !== 0) throw new Problem("A cluster needs root for its networks and mounts: run it again with sudo.");
  using _lock = await lockStart();
  const found = await readState();
  if (found !== undefined && await isKept(found)) {
    console.log("It is there already.");
    return tell(found);
  }
  if (found !== undefined) {
    console.log("What has kept it is no more: removing what it left.");
    await removeRest(found);
  }
  tell(await start(nodes, serverOnly));
}

/** Starts the keeper in a session of its own, and waits until it has a cluster. */
async function start(nodes: number, serverOnly: boolean): Promise<ClusterState> {
  const keeper = fileURLToPath(new URL("./keeper.ts", import.meta.url));
  const words = [Deno.execPath(), "run", "--quiet", "-A", keeper, `${nodes}`, ...(serverOnly ? ["server-only"] : [])];
  const child = new Deno.Command("setsid", {
    args: ["sh", "-c", 'log=$1; shift; exec "$@" > "$log" 2>&1', "sh", LOG, ...words],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const interrupted = () => {
    child.kill("SIGTERM");
    console.error("Interrupted.");
  };
  Deno.addSignalListener("SIGINT", interrupted);
  let failed = false;
  child.status.then(() => failed = true);
  try {
    for (;;) {
      const state = await readState();
      if (state?.isReady) return state;
      if (failed) {
        if (state !== undefined) await removeRest(state);
        throw new Problem(`It did not start, and all of it was removed:\n${await Deno.readTextFile(LOG)}`);
      }
      await delay(POLL_MS);
    }
  } finally {
    Deno.removeSignalListener("SIGINT", interrupted);
    child.unref();
  }
}

function tell(state: ClusterState): void {
  const machines = machinesOf(state);
  console.log([
    state.isReady ? `${state.nodes} nodes are Ready.` : "It is not ready yet.",
    "  deno task cluster kubectl get nodes -o wide",
    "  deno task cluster exec n1 bash        # a shell on a machine, with kubectl and k3ts",
    "  deno task cluster down",
    "By hand:",
    `  export KUBECONFIG=${kubeconfigOf(state.test)}   # on any of the machines`,
    ...machines.map(({ name, namespace, dataDir }) =>
      `  nsenter --net=/run/netns/${namespace} bash   # ${name}, its files: ${dataDir}`
    ),
  ].join("\n"));
}

/** @returns the exit code of the command */
async function exec([name, ...words]: string[]): Promise<number> {
  const state = await mustBeThere();
  const machine = machinesOf(state).find((machine) => machine.name === name);
  if (machine === undefined) {
    throw new Problem(`There is no machine ${name}: ${machinesOf(state).map(({ name }) => name).join(", ")}.`);
  }
  // Whoever sits at the terminal means the command.
  Deno.addSignalListener("SIGINT", () => {});
  const child = machine.command(words, {
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
    env: { PATH: `${programsOf(state.test)}:${Deno.env.get("PATH")}`, K3TS_DATA_DIR: machine.dataDir },
  }).spawn();
  return (await child.status).code;
}

async function status(): Promise<void> {
  const state = await mustBeThere();
  tell(state);
  if (state.isReady) Deno.exitCode = await exec(["n1", "kubectl", "get", "nodes", "-o", "wide"]);
}

async function mustBeThere(): Promise<ClusterState> {
  const state = await readState();
  if (state === undefined) throw new Problem("There is no cluster: start one with `deno task cluster up`.");
  if (!await isKept(state)) {
    throw new Problem("What has kept the cluster is no more: `deno task cluster down` removes what it left.");
  }
  return state;
}

async function down(): Promise<void> {
  const state = await readState();
  if (state === undefined) return console.log("There is no cluster.");
  if (await isKept(state)) {
    Deno.kill(state.keeper.pid, "SIGTERM");
    const deadline = Date.now() + DOWN_MS_MAX;
    while (await isKept(state) && Date.now() < deadline) await delay(POLL_MS);
    if (await isKept(state)) Deno.kill(state.keeper.pid, "SIGKILL");
  }
  // Whoever is starting it sees that it has ended, and takes away what there is: afterwards.
  using _lock = await lockStart();
  const rest = await readState();
  if (rest !== undefined) await removeRest(rest);
  console.log("The cluster is gone, with all that it had.");
}

function machinesOf({ test, nodes, serverOnly }: ClusterState): TestMachine[] {
  const count = serverOnly ? nodes + 1 : nodes;
  return Array.from({ length: count }, (_, index) => {
    const machine = TestMachine.at(`n${index + 1}`, test);
    machine.kubeconfig = kubeconfigOf(test);
    return machine;
  });
}

function nodesOption(text: string): number {
  const nodes = Number(text);
  if (Number.isInteger(nodes) && nodes >= 1 && nodes <= NODES_MAX) return nodes;
  throw new InvalidArgumentError(`It must be a number from 1 to ${NODES_MAX}.`);
}
