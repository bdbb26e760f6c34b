/** `k3ts logs`: what a container has written. */
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ApiError, backoffMs, delay, isUnavailable } from "@k3ts/client";
import { type LogsRequestSchema, StreamService } from "@k3ts/proto";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDuration, parseWholeNumber } from "../numbers.ts";
import { writeAll } from "../output/write.ts";
import { LogCursor } from "./log_cursor.ts";
import { type ContainerOptions, containerOptions, targetOf } from "./pod_target.ts";
import { FAILURES_MAX, RETRY_MS_MAX } from "./watch.ts";

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
  const read = (request: LogsRequest) => createClient(StreamService, connection.transport).logs(request, { headers });
  if (follow) return await followLog(read, request);
  for await (const { data } of read(request)) writeAll(Deno.stdout, data);
}

type LogsRequest = MessageInitShape<typeof LogsRequestSchema>;

/** Goes on where it was when the connection is lost. */
async function followLog(
  read: (request: LogsRequest) => AsyncIterable<{ data: Uint8Array }>,
  request: LogsRequest,
): Promise<void> {
  const cursor = new LogCursor(request.timestamps ?? false);
  for (let failures = 0;; failures++) {
    const sinceTime = cursor.resume();
    const rest = sinceTime === undefined ? request : { follow: true, sinceTime };
    try {
      for await (const { data } of read({ ...rest, timestamps: true })) {
        failures = 0;
        writeAll(Deno.stdout, cursor.take(data));
      }
      return writeAll(Deno.stdout, cursor.end());
    } catch (error) {
      if (!isUnavailable(ApiError.from(error)) || failures >= FAILURES_MAX) throw error;
    }
    await delay(backoffMs(failures + 1, { maxMs: RETRY_MS_MAX }));
  }
}
