/** `k3ts logs`: what containers have written. */
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ApiError, backoffMs, delay, isUnavailable } from "@k3ts/client";
import { type Pod, resources } from "@k3ts/model";
import { type LogsRequestSchema, StreamService } from "@k3ts/proto";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDuration, parseWholeNumber } from "../numbers.ts";
import { writeAll } from "../output/write.ts";
import { Problem } from "../problem.ts";
import { LogCursor } from "./log_cursor.ts";
import { prefixLines } from "./log_prefix.ts";
import { type ContainerOptions, containerOptions, defaultContainerOf, headersOf, podName } from "./pod_target.ts";
import { FAILURES_MAX, RETRY_MS_MAX } from "./watch.ts";

interface LogsOptions extends ContainerOptions {
  follow?: boolean;
  tail?: string;
  since?: string;
  sinceTime?: string;
  previous?: boolean;
  timestamps?: boolean;
  limitBytes?: string;
  selector?: string;
  allContainers?: boolean;
  prefix?: boolean;
  maxLogRequests: string;
}

/** With a selector there may be much: as from kubectl, the last lines of each. */
const SELECTED_LINES = 10;

export function registerLogs(program: Command): void {
  containerOptions(program.command("logs [pod]"))
    .description("what a container has written: k3ts logs web-abc, k3ts logs deploy/web, k3ts logs -l app=web")
    .option("-f, --follow", "and what it writes from now on, until Ctrl-C")
    .option("--tail <lines>", `only the last lines (default: all, with -l the last ${SELECTED_LINES})`)
    .option("--since <duration>", "only of the last 30s, 5m, 2h")
    .option("--since-time <time>", "only from a time on: 2026-01-31T12:00:00Z")
    .option("-p, --previous", "of the container's last life")
    .option("--timestamps", "with the time of every line")
    .option("--limit-bytes <number>", "at most so much")
    .option("-l, --selector <labels>", "of all pods with these labels")
    .option("--all-containers", "of all containers of the pod")
    .option("--prefix", "with the pod and container before every line")
    .option("--max-log-requests <number>", "how many may be followed at once", "5")
    .action((pod: string | undefined, options: LogsOptions) =>
      withCluster(options, (connection, namespace) => logs(pod, options, connection, namespace))
    );
}

type LogsRequest = MessageInitShape<typeof LogsRequestSchema>;
type Read = (request: LogsRequest) => AsyncIterable<{ data: Uint8Array }>;

/** One container's log. */
interface Source {
  /** Before every line; empty for none. */
  prefix: string;
  read: Read;
}

async function logs(
  word: string | undefined,
  options: LogsOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  const request = requestOf(options);
  const sources = await sourcesOf(word, options, connection, namespace);
  if (!options.follow) {
    for (const source of sources) await show(source, request);
    return;
  }
  const max = parseWholeNumber("--max-log-requests", options.maxLogRequests);
  if (sources.length > max) {
    throw new Problem(
      `${sources.length} logs would be followed at once, and --max-log-requests allows ${max}.`,
      "Choose fewer, or raise --max-log-requests.",
    );
  }
  await Promise.all(sources.map((source) => followLog(source, request)));
}

function requestOf(options: LogsOptions): LogsRequest {
  const { follow = false, previous = false, timestamps = false, tail, since, sinceTime, limitBytes, selector } =
    options;
  if (since !== undefined && sinceTime !== undefined) {
    throw new Problem("Only one of --since and --since-time can hold.");
  }
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime))) {
    throw new Problem(`--since-time must be a time such as 2026-01-31T12:00:00Z: it is "${sinceTime}".`);
  }
  const lines = tail ?? (selector === undefined ? "-1" : String(SELECTED_LINES));
  return {
    follow,
    previous,
    timestamps,
    ...(lines !== "-1" && { tailLines: BigInt(parseWholeNumber("--tail", lines)) }),
    ...(since !== undefined && { sinceSeconds: BigInt(Math.ceil(parseDuration("--since", since))) }),
    ...(sinceTime !== undefined && { sinceTime }),
    // As for kubectl, 0 is no limit.
    ...(limitBytes !== undefined && !/^0+$/.test(limitBytes) &&
      { limitBytes: BigInt(parseWholeNumber("--limit-bytes", limitBytes)) }),
  };
}

async function sourcesOf(
  word: string | undefined,
  { selector, container, allContainers = false, prefix = false }: LogsOptions,
  connection: Connection,
  namespace: string,
): Promise<Source[]> {
  if ((word === undefined) === (selector === undefined)) {
    throw new Problem("Whose logs must be named once: k3ts logs web-abc, or k3ts logs -l app=web.");
  }
  const pods = connection.clients.of<Pod>(resources.pods);
  const chosen = selector === undefined
    ? [await pods.get(await podName(word!, connection, namespace), { namespace })]
    : (await pods.list({ namespace, labelSelector: selector })).items;
  if (chosen.length === 0) console.error(`No resources found in namespace ${namespace}.`);
  const { logs } = createClient(StreamService, connection.transport);
  return chosen.flatMap((pod) => {
    const { name } = pod.metadata;
    return containersOf(pod, container, allContainers).map((container) => ({
      prefix: prefix ? `[pod/${name}/${container}] ` : "",
      read: (request: LogsRequest) => logs(request, { headers: headersOf(namespace, name, container) }),
    }));
  });
}

function containersOf(pod: Pod, wanted: string | undefined, all: boolean): string[] {
  if (!all) return [wanted ?? defaultContainerOf(pod)];
  return [...(pod.spec.initContainers ?? []), ...pod.spec.containers].map(({ name }) => name);
}

async function show({ prefix, read }: Source, request: LogsRequest): Promise<void> {
  const lines = prefixLines(prefix);
  for await (const { data } of read(request)) writeAll(Deno.stdout, lines(data));
}

/** Goes on where it was when the connection is lost. */
async function followLog({ prefix, read }: Source, request: LogsRequest): Promise<void> {
  const cursor = new LogCursor(request.timestamps ?? false);
  const lines = prefixLines(prefix);
  for (let failures = 0;; failures++) {
    const sinceTime = cursor.resume();
    const rest = sinceTime === undefined ? request : { follow: true, previous: request.previous ?? false, sinceTime };
    try {
      for await (const { data } of read({ ...rest, timestamps: true })) {
        failures = 0;
        writeAll(Deno.stdout, lines(cursor.take(data)));
      }
      return writeAll(Deno.stdout, lines(cursor.end()));
    } catch (error) {
      if (!isUnavailable(ApiError.from(error)) || failures >= FAILURES_MAX) throw error;
    }
    await delay(backoffMs(failures + 1, { maxMs: RETRY_MS_MAX }));
  }
}
