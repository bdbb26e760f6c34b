/** `k3ts exec`: runs a program in a container, with our standard streams or terminal as its own. */
import { createClient } from "@connectrpc/connect";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Command } from "commander";
import { type ExecRequestSchema, StreamService } from "@k3ts/proto";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { writeAll } from "../output/write.ts";
import { Problem } from "../problem.ts";
import { type ContainerOptions, containerOptions, targetOf } from "./pod_target.ts";

interface ExecOptions extends ContainerOptions {
  stdin?: boolean;
  tty?: boolean;
}

export function registerExec(program: Command): void {
  containerOptions(program.command("exec <pod> <command...>"))
    .description("run a program in a container: k3ts exec -it web-abc -- sh")
    .usage("[options] <pod> -- <command...>")
    .option("-i, --stdin", "pass on standard input")
    .option("-t, --tty", "give it a terminal")
    .action((pod: string, command: string[], options: ExecOptions) =>
      withCluster(options, (connection, namespace) => exec(pod, command, options, connection, namespace))
    );
}

/** The program's exit code becomes ours. */
async function exec(
  word: string,
  command: string[],
  options: ExecOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  const { stdin = false, tty = false } = options;
  if (tty && !Deno.stdin.isTerminal()) {
    throw new Problem("A terminal can only be passed on where there is one: leave -t out.");
  }
  const headers = await targetOf(word, options, connection, namespace);
  const input = new Input();
  if (tty) {
    Deno.stdin.setRaw(true);
    Deno.addSignalListener("SIGWINCH", () => input.put({ message: { case: "resize", value: terminalSize() } }));
  }
  if (stdin) readInto(input);
  try {
    const start: ExecMessage = {
      message: { case: "start", value: { command, stdin, tty, ...(tty && { size: terminalSize() }) } },
    };
    const client = createClient(StreamService, connection.transport);
    for await (const { message } of client.exec(input.after(start), { headers })) {
      if (message.case === "stdout") writeAll(Deno.stdout, message.value);
      if (message.case === "stderr") writeAll(Deno.stderr, message.value);
      if (message.case !== "exitCode") continue;
      Deno.exitCode = message.value;
      break;
    }
  } finally {
    input.end();
    if (tty) Deno.stdin.setRaw(false);
  }
}

type ExecMessage = MessageInitShape<typeof ExecRequestSchema>;

/** What goes to the program, as it comes. */
class Input {
  #queue: ExecMessage[] = [];
  #wake = Promise.withResolvers<void>();
  #taken = Promise.withResolvers<void>();
  #ended = false;

  /** Resolves when it has been taken: whoever types faster than the container reads has to wait. */
  put(message: ExecMessage): Promise<void> {
    this.#queue.push(message);
    this.#wake.resolve();
    return this.#taken.promise;
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *after(start: ExecMessage): AsyncGenerator<ExecMessage, void, undefined> {
    yield start;
    while (!this.#ended) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
      yield* this.#queue.splice(0);
      this.#taken.resolve();
      this.#taken = Promise.withResolvers();
    }
  }
}

/** Runs for as long as the process does, if nobody ends the input. */
async function readInto(input: Input): Promise<void> {
  for await (const data of Deno.stdin.readable) await input.put({ message: { case: "stdin", value: data } });
  await input.put({ message: { case: "stdinEnd", value: true } });
}

function terminalSize(): { columns: number; rows: number } {
  const { columns, rows } = Deno.consoleSize();
  return { columns, rows };
}
