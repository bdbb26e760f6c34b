/** `k3ts attach`: joins our standard streams or terminal with those of a container that runs. */
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import { type Pod, resources } from "@k3ts/model";
import { StreamService } from "@k3ts/proto";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { Problem } from "../problem.ts";
import { type ContainerOptions, containerOptions, resolveTarget } from "./pod_target.ts";
import { joinProcess } from "./process_session.ts";

interface AttachOptions extends ContainerOptions {
  stdin?: boolean;
  tty?: boolean;
}

export function registerAttach(program: Command): void {
  containerOptions(program.command("attach <pod>"))
    .description("join a container that runs: k3ts attach -it web-abc; what it wrote before is in its logs")
    .option("-i, --stdin", "pass on standard input, where the container has one")
    .option("-t, --tty", "as a terminal, where the container has one")
    .action((pod: string, options: AttachOptions) =>
      withCluster(options, (connection, namespace) => attach(pod, options, connection, namespace))
    );
}

async function attach(word: string, options: AttachOptions, connection: Connection, namespace: string): Promise<void> {
  const target = await resolveTarget(word, options, connection, namespace);
  const { spec } = await connection.clients.of<Pod>(resources.pods).get(target.pod, { namespace });
  const container = [...spec.containers, ...(spec.initContainers ?? [])].find(({ name }) => name === target.container);
  if (options.stdin && container?.stdin !== true) {
    throw new Problem(
      `Container ${target.container} has no standard input: set \`stdin: true\` in its pod, or leave -i out.`,
    );
  }
  if (options.tty && container?.tty !== true) {
    throw new Problem(`Container ${target.container} has no terminal: set \`tty: true\` in its pod, or leave -t out.`);
  }
  const { stdin = false, tty = false } = options;
  const client = createClient(StreamService, connection.transport);
  if (tty) console.error("If there is no prompt, press enter.");
  const code = await joinProcess(
    { stdin, tty },
    (size) => ({ message: { case: "start" as const, value: { stdin, ...(size && { size }) } } }),
    (requests) => client.attach(requests, { headers: target.headers }),
  );
  if (code === undefined) throw new Problem("The stream was cut off: the container may still run.");
  Deno.exitCode = code;
}
