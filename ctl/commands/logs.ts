/** `k3ts logs`: what a container has written. */
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import { StreamService } from "@k3ts/proto";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDuration, parseWholeNumber } from "../numbers.ts";
import { writeAll } from "../output/write.ts";
import { type ContainerOptions, containerOptions, targetOf } from "./pod_target.ts";

interface LogsOptions extends ContainerOptions {
  follow?: boolean;
  tail?: string;
  since?: string;
  previous?: boolean;
  timestamps?: boolean;
}

export function registerLogs(program: Command): void {
  containerOptions(program.command("logs <pod>"))
    .description("what a container has written: k3ts logs web-abc, k3ts logs deploy/web")
    .option("-f, --follow", "and what it writes from now on, until Ctrl-C")
    .option("--tail <lines>", "only the last lines")
    .option("--since <duration>", "only of the last 30s, 5m, 2h")
    .option("-p, --previous", "of the container's last life")
    .option("--timestamps", "with the time of every line")
    .action((pod: string, options: LogsOptions) =>
      withCluster(options, (connection, namespace) => logs(pod, options, connection, namespace))
    );
}

async function logs(word: string, options: LogsOptions, connection: Connection, namespace: string): Promise<void> {
  const { follow = false, previous = false, timestamps = false, tail, since } = options;
  const request = {
    follow,
    previous,
    timestamps,
    ...(tail !== undefined && { tailLines: BigInt(parseWholeNumber("--tail", tail)) }),
    ...(since !== undefined && { sinceSeconds: BigInt(parseDuration(since)) }),
  };
  const headers = await targetOf(word, options, connection, namespace);
  for await (const { data } of createClient(StreamService, connection.transport).logs(request, { headers })) {
    await writeAll(Deno.stdout, data);
  }
}
