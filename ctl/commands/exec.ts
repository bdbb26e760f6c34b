/** `k3ts exec`: runs a program in a container, with our standard streams or terminal as its own. */
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import { StreamService } from "@k3ts/proto";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { type ContainerOptions, containerOptions, targetOf } from "./pod_target.ts";
import { joinProcess } from "./process_session.ts";

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
  const headers = await targetOf(word, options, connection, namespace);
  const client = createClient(StreamService, connection.transport);
  const code = await joinProcess(
    { stdin, tty },
    (size) => ({ message: { case: "start" as const, value: { command, stdin, tty, ...(size && { size }) } } }),
    (requests) => client.exec(requests, { headers }),
  );
  if (code !== undefined) Deno.exitCode = code;
}
