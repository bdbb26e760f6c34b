/**
 * Kubernetes's remote command protocol over SPDY/3.1: a stream each for input, output, errors, sizes and the status,
 * opened by the client with the header `streamtype` (k8s.io/apimachinery, "Remote command protocol").
 */
import type { Pipe } from "./pipe.ts";
import { type CommandClient, formatStatus, LatestSize, SizeReader, type Status, type Wanted } from "./command.ts";
import { SpdyConnection, type SpdyStream } from "./spdy/connection.ts";
import { SpdyError } from "./spdy/frames.ts";

/** From the newest on. A client that names none speaks the first. */
export const COMMAND_PROTOCOLS = [
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
] as const;

/** A client that opens fewer streams than it announced is not waited for longer. */
const STREAMS_MS_MAX = 30_000;
const TYPES = ["error", "stdin", "stdout", "stderr", "resize"] as const;
type StreamType = typeof TYPES[number];

/**
 * @param join told of the client once it has opened all streams that it wants
 * @throws {SpdyError} when it broke the protocol
 */
export async function serveCommandSpdy(
  pipe: Pipe,
  protocol: string,
  wanted: Wanted,
  join: (client: CommandClient) => Promise<void>,
): Promise<void> {
  const expected = expectedStreams(protocol, wanted);
  const streams = new Map<StreamType, SpdyStream>();
  const complete = Promise.withResolvers<boolean>();
  const connection = new SpdyConnection(pipe, {
    onStream(stream) {
      const type = TYPES.find((one) => one === stream.headers.get("streamtype"));
      if (type === undefined || streams.has(type)) {
        throw new SpdyError(`the type of a stream must be a new one of ${TYPES.join(", ")}`);
      }
      streams.set(type, stream);
      if (expected.every((one) => streams.has(one))) complete.resolve(true);
    },
  });
  const running = connection.run();
  // Rejects at the end too, where it is awaited; until then it is only of interest that it is over.
  running.catch(() => {}).finally(() => complete.resolve(false));
  const late = setTimeout(() => complete.resolve(false), STREAMS_MS_MAX);
  try {
    if (await complete.promise) await join(new SpdyCommand(streams, protocol, pipe.closed));
  } finally {
    clearTimeout(late);
    await connection.close();
    await running;
  }
}

function expectedStreams(protocol: string, wanted: Wanted): StreamType[] {
  const canResize = protocol === COMMAND_PROTOCOLS[0] || protocol === COMMAND_PROTOCOLS[1];
  return TYPES.filter((type) => type === "error" || (type === "resize" ? wanted.tty && canResize : wanted[type]));
}

class SpdyCommand implements CommandClient {
  readonly #streams: ReadonlyMap<StreamType, SpdyStream>;
  readonly #protocol: string;
  readonly sizes = new LatestSize();
  readonly stdin?: SpdyStream;

  constructor(streams: ReadonlyMap<StreamType, SpdyStream>, protocol: string, readonly gone: Promise<void>) {
    this.#streams = streams;
    this.#protocol = protocol;
    const stdin = streams.get("stdin");
    if (stdin !== undefined) this.stdin = stdin;
    const resize = streams.get("resize");
    if (resize !== undefined) this.#readSizes(resize).catch(() => this.sizes.end());
  }

  async #readSizes(stream: SpdyStream): Promise<void> {
    const reader = new SizeReader();
    for (let data = await stream.read(); data !== null; data = await stream.read()) {
      for (const size of reader.push(data)) this.sizes.put(size);
    }
  }

  async write(stream: "stdout" | "stderr", data: Uint8Array): Promise<void> {
    await this.#streams.get(stream)?.write(data);
  }

  async finish(status: Status): Promise<void> {
    const error = this.#streams.get("error")!;
    const text = formatStatus(status, this.#protocol === COMMAND_PROTOCOLS[0]);
    if (text.length > 0) await error.write(text);
    for (const type of ["stdout", "stderr", "error"] as const) await this.#streams.get(type)?.end();
  }
}
