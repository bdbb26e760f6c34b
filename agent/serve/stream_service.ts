/** Logs, processes and ports for our own clients (`stream.proto`). Which pod stands in the URL, put there by the server. */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import {
  type ExecRequest,
  type PortForwardRequest,
  type PortForwardResponseSchema,
  StreamService,
  type StreamServiceAttachRequest,
} from "@k3ts/proto";
import { Attachment } from "../runtime/attach.ts";
import { type ExecNative, startExec } from "../runtime/exec.ts";
import type { Forwarders } from "./forwarder.ts";
import { readLog } from "./log_reader.ts";
import { type ByteStream, forwardPort } from "./port_forward.ts";
import { StreamError, type Target, type Targets } from "./targets.ts";

export interface StreamParts {
  targets: Targets;
  runtime: ExecNative;
  forwarders: Forwarders;
  now: () => number;
}

export function streamRoutes(parts: StreamParts): (router: ConnectRouter) => void {
  return (router) => router.service(StreamService, implement(parts));
}

function implement({ targets, runtime, forwarders, now }: StreamParts): ServiceImpl<typeof StreamService> {
  return {
    async *logs(request, context) {
      const { path, isLive } = await found(() => targets.log(targetOf(context), request.previous));
      const since = request.sinceTime !== ""
        ? Date.parse(request.sinceTime)
        : request.sinceSeconds !== undefined
        ? now() - Number(request.sinceSeconds) * 1000
        : undefined;
      const options = {
        follow: request.follow,
        timestamps: request.timestamps,
        ...(request.tailLines !== undefined && { tailLines: Number(request.tailLines) }),
        ...(request.limitBytes !== undefined && { limitBytes: Number(request.limitBytes) }),
        ...(since !== undefined && { since }),
      };
      for await (const data of readLog(path, options, isLive, context.signal)) yield { data };
    },

    async *exec(requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      const start = firstOf(await iterator.next(), "start");
      const { id } = await found(() => targets.running(targetOf(context)));
      const { command, stdin, tty, size } = start;
      const options = { command, stdin, tty, ...(size !== undefined && { size }) };
      using process = await startExec(runtime, targets.directoryOf(id), id, options);
      yield* join(process, iterator, context.signal);
    },

    async *attach(requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      const { stdin, size } = firstOf(await iterator.next(), "start");
      const { id } = await found(() => targets.running(targetOf(context)));
      using process = await Attachment.connect(`${targets.directoryOf(id)}/attach.sock`);
      if (stdin) await process.takeInput();
      if (size !== undefined) await process.resize(size.columns, size.rows);
      yield* join(process, iterator, context.signal);
    },

    async *portForward(requests, context) {
      const iterator = requests[Symbol.asyncIterator]();
      const port = firstOf(await iterator.next(), "port");
      if (port < 1 || port > 0xffff) {
        throw new ConnectError(`Cannot forward a port as it must be 1 to 65535: it is ${port}`, Code.InvalidArgument);
      }
      const target = await found(() => targets.network(targetOf(context)));
      const stream = new CallStream(iterator, context.signal);
      const forwarding = forwardPort(forwarders, target, port, stream).catch((error) => {
        throw new ConnectError(error instanceof Error ? error.message : String(error), Code.Unavailable);
      });
      yield* stream.responses(forwarding);
    },
  };
}

/** @throws {ConnectError} when the call begins with something else */
function firstOf<M extends { case: string | undefined; value?: unknown }, C extends M["case"] & string>(
  first: IteratorResult<{ message: M }>,
  wanted: C,
): Extract<M, { case: C }>["value"] {
  const message = first.done ? undefined : first.value.message;
  if (message?.case === wanted) return message.value as Extract<M, { case: C }>["value"];
  throw new ConnectError(
    `Cannot begin a call as its first message must be ${wanted}: it is ${message?.case ?? "missing"}`,
    Code.InvalidArgument,
  );
}

/** What a process writes, while the rest of the requests feeds it. */
async function* join(
  process: Attachment,
  requests: AsyncIterator<ExecRequest | StreamServiceAttachRequest>,
  signal: AbortSignal,
) {
  const close = () => process[Symbol.dispose]();
  signal.addEventListener("abort", close, { once: true });
  // Ends with the call, whose requests end then.
  feed(requests, process).catch(() => {});
  for await (const one of process.output()) {
    if (one.stream === "exit") yield { message: { case: "exitCode" as const, value: one.code } };
    else yield { message: { case: one.stream, value: one.data } };
  }
}

async function feed(
  requests: AsyncIterator<ExecRequest | StreamServiceAttachRequest>,
  process: Attachment,
): Promise<void> {
  for (let next = await requests.next(); !next.done; next = await requests.next()) {
    const { message } = next.value;
    if (message.case === "stdin" && message.value.length > 0) await process.write(message.value);
    if (message.case === "resize") await process.resize(message.value.columns, message.value.rows);
    if (message.case === "stdinEnd") await process.end();
  }
}

type PortForwardMessage = MessageInitShape<typeof PortForwardResponseSchema>;

/** The two directions of a call as one stream. */
class CallStream implements ByteStream {
  readonly #requests: AsyncIterator<PortForwardRequest>;
  readonly #over = new AbortController();
  /** At most one waits: whoever writes waits until it has been taken. */
  #response: PortForwardMessage | undefined;
  #put = Promise.withResolvers<void>();
  #taken = Promise.withResolvers<void>();

  constructor(requests: AsyncIterator<PortForwardRequest>, signal: AbortSignal) {
    this.#requests = requests;
    signal.addEventListener("abort", () => this.#end(), { once: true });
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  async read(): Promise<Uint8Array | null> {
    for (;;) {
      // A call that breaks off is one whose signal fires: until then there is nothing more.
      const next = await this.#requests.next();
      if (next.done || next.value.message.case === "end") return null;
      if (next.value.message.case === "data") return next.value.message.value;
    }
  }

  write(data: Uint8Array): Promise<void> {
    return this.#say({ message: { case: "data", value: new Uint8Array(data) } });
  }

  end(): Promise<void> {
    return this.#say({ message: { case: "end", value: true } });
  }

  opened(): Promise<void> {
    return this.#say({ message: { case: "open", value: true } });
  }

  /** @param forwarding ends when both directions have */
  async *responses(forwarding: Promise<void>): AsyncGenerator<PortForwardMessage, void, undefined> {
    let isDone = false;
    const done = forwarding.finally(() => {
      isDone = true;
      this.#put.resolve();
    });
    done.catch(() => {}); // awaited below
    try {
      while (!isDone || this.#response !== undefined) {
        await this.#put.promise;
        this.#put = Promise.withResolvers();
        const response = this.#response;
        this.#response = undefined;
        this.#taken.resolve();
        if (response !== undefined) yield response;
      }
      await done;
    } finally {
      this.#end();
    }
  }

  async #say(response: PortForwardMessage): Promise<void> {
    if (this.#over.signal.aborted) throw new Error("Cannot write as the client must be there: it is gone");
    this.#taken = Promise.withResolvers();
    this.#response = response;
    this.#put.resolve();
    await this.#taken.promise;
  }

  #end(): void {
    this.#over.abort();
    this.#taken.resolve();
    this.#put.resolve();
  }
}

function targetOf({ url }: HandlerContext): Target {
  const query = new URL(url).searchParams;
  return {
    namespace: query.get("namespace") ?? "",
    pod: query.get("pod") ?? "",
    container: query.get("container") ?? "",
  };
}

async function found<T>(look: () => T | Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    const code = error.status === 404
      ? Code.NotFound
      : error.status === 422
      ? Code.InvalidArgument
      : Code.FailedPrecondition;
    throw new ConnectError(error.message, code, undefined, undefined, error);
  }
}
