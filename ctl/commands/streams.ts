/** `k3ts logs` and `k3ts exec`: bytes from and to a container, over StreamService. */
import { createClient } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { type Deployment, isActive, matches, type Pod, resources } from "@k3ts/model";
import { type ExecRequestSchema, StreamService } from "@k3ts/proto";
import { type ClusterOptions, interruption, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { findResource, reference } from "../names.ts";
import { Problem } from "../problem.ts";
import { parseDuration } from "./cluster.ts";

interface LogsOptions extends ClusterOptions {
  container?: string;
  follow?: boolean;
  tail?: string;
  since?: string;
  previous?: boolean;
  timestamps?: boolean;
}

interface ExecOptions extends ClusterOptions {
  container?: string;
  stdin?: boolean;
  tty?: boolean;
}

export function registerStreams(program: Command): void {
  namespaceOptions(program.command("logs <pod>"))
    .description("what a container has written: k3ts logs web-abc, k3ts logs deployment/web")
    .option("-c, --container <name>", "which of several")
    .option("-f, --follow", "and what it writes from now on")
    .option("--tail <lines>", "only the last lines")
    .option("--since <duration>", "only of the last 30s, 5m, 2h")
    .option("-p, --previous", "of the container's last life")
    .option("--timestamps", "with the time of every line")
    .action((pod: string, options: LogsOptions) =>
      withCluster(options, (connection, namespace) => logs(pod, options, connection, namespace))
    );
  namespaceOptions(program.command("exec <pod> <command...>"))
    .description("run a program in a container: k3ts exec -it web-abc -- sh")
    .option("-c, --container <name>", "which of several")
    .option("-i, --stdin", "pass on standard input")
    .option("-t, --tty", "give it a terminal")
    .action((pod: string, command: string[], options: ExecOptions) =>
      withCluster(options, (connection, namespace) => exec(pod, command, options, connection, namespace))
    );
}

async function logs(word: string, options: LogsOptions, connection: Connection, namespace: string): Promise<void> {
  const headers = target(await podName(word, connection, namespace), namespace, options.container);
  const signal = interruption();
  const request = {
    follow: options.follow ?? false,
    previous: options.previous ?? false,
    timestamps: options.timestamps ?? false,
    ...(options.tail !== undefined && { tailLines: BigInt(wholeNumber("--tail", options.tail)) }),
    ...(options.since !== undefined && { sinceSeconds: BigInt(parseDuration(options.since)) }),
  };
  try {
    for await (const { data } of createClient(StreamService, connection.transport).logs(request, { headers, signal })) {
      await writeAll(Deno.stdout, data);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function exec(
  word: string,
  command: string[],
  options: ExecOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  const headers = target(await podName(word, connection, namespace), namespace, options.container);
  const tty = options.tty === true;
  if (tty && !Deno.stdin.isTerminal()) {
    throw new Problem("A terminal can only be passed on where there is one: leave -t out.");
  }
  const ended = new AbortController();
  if (tty) Deno.stdin.setRaw(true);
  try {
    const requests = outgoing(command, { stdin: options.stdin === true, tty }, ended.signal);
    for await (const { message } of createClient(StreamService, connection.transport).exec(requests, { headers })) {
      if (message.case === "stdout") await writeAll(Deno.stdout, message.value);
      if (message.case === "stderr") await writeAll(Deno.stderr, message.value);
      if (message.case === "exitCode") {
        Deno.exitCode = message.value;
        break;
      }
    }
  } finally {
    ended.abort();
    if (tty) Deno.stdin.setRaw(false);
  }
  // Standard input may still be waited for; nothing is left to be done.
  Deno.exit();
}

type ExecMessage = MessageInitShape<typeof ExecRequestSchema>;

/** Start, then input and changes of the terminal's size as they come. */
async function* outgoing(
  command: string[],
  { stdin, tty }: { stdin: boolean; tty: boolean },
  signal: AbortSignal,
): AsyncGenerator<ExecMessage> {
  const size = () => {
    const { columns, rows } = Deno.consoleSize();
    return { columns, rows };
  };
  yield { message: { case: "start", value: { command, stdin, tty, ...(tty && { size: size() }) } } };
  const queue: ExecMessage[] = [];
  let wake = Promise.withResolvers<void>();
  let taken = Promise.withResolvers<void>();
  const put = (message: ExecMessage) => {
    queue.push(message);
    wake.resolve();
  };
  const onResize = () => put({ message: { case: "resize", value: size() } });
  if (tty) Deno.addSignalListener("SIGWINCH", onResize);
  if (stdin) {
    (async () => {
      for await (const data of Deno.stdin.readable) {
        put({ message: { case: "stdin", value: data } });
        await taken.promise; // one piece at a time: whoever types faster than the container reads has to wait
        taken = Promise.withResolvers();
      }
      put({ message: { case: "stdinEnd", value: true } });
    })();
  }
  signal.addEventListener("abort", () => wake.resolve(), { once: true });
  while (!signal.aborted) {
    await wake.promise;
    wake = Promise.withResolvers();
    yield* queue.splice(0);
    taken.resolve();
  }
  if (tty) Deno.removeSignalListener("SIGWINCH", onResize);
}

function target(pod: string, namespace: string, container: string | undefined): HeadersInit {
  return { "k3ts-pod": `${namespace}/${pod}`, ...(container !== undefined && { "k3ts-container": container }) };
}

/** `web-abc`, `pod/web-abc`, or a pod of `deployment/web`. */
async function podName(word: string, { clients }: Connection, namespace: string): Promise<string> {
  const [kind, name] = word.includes("/") ? word.split("/", 2) : ["pods", word];
  const resource = findResource(kind!, await clients.discover());
  if (resource.resource === "pods") return name!;
  const owner = await clients.of(reference(resource)).get(name!, { namespace }) as Deployment;
  const { items } = await clients.of<Pod>(resources.pods).list({ namespace });
  const pod = items.find((pod) => isActive(pod) && matches(owner.spec?.selector, pod.metadata.labels));
  if (pod === undefined) throw new Problem(`No pod of ${word} is active.`, `See why with: k3ts describe ${word}`);
  return pod.metadata.name;
}

async function writeAll(to: { write(data: Uint8Array): Promise<number> }, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length;) at += await to.write(data.subarray(at));
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new Problem(`${option} must be a whole number: it is "${text}".`);
  return value;
}
