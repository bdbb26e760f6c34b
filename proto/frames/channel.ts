/** What carries frames: an ordered, reliable way for bytes in both directions. */

/** One connection to one peer. */
export interface FrameChannel {
  /**
   * Hands on one or more whole frames, in order. Called again only when the last call has resolved, which is how a
   * peer that does not read slows the sender down. The bytes belong to the channel from then on.
   * @throws when the peer is gone
   */
  send(frames: Uint8Array): Promise<void>;
  /**
   * What the peer sends, in pieces of any size: a frame may be cut anywhere. Read once, by one reader, as fast as it
   * comes. Ends when the peer has gone or the channel was closed, throws when it broke. A piece must not be written
   * to after it was given out, so memory that is used again must be copied first.
   */
  readonly received: AsyncIterable<Uint8Array>;
  /** Ends `received` and makes `send` throw. Called any number of times, also while a `send` is under way. */
  close(): Promise<void>;
}

/** What `console` writes to standard output. */
const STDOUT_METHODS = [
  "log",
  "info",
  "debug",
  "dir",
  "dirxml",
  "table",
  "count",
  "group",
  "groupCollapsed",
  "timeLog",
  "timeEnd",
] as const;

/** A pair of byte streams: the standard streams of a process, a unix socket. */
export interface ByteStreams {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Uint8Array>;
}

/** Frames over byte streams, such as a `Deno.UnixConn`. */
export function streamChannel(streams: ByteStreams): FrameChannel {
  const reader = streams.readable.getReader();
  const writer = streams.writable.getWriter();
  // Whoever sends or reads learns of a failure; these promises only repeat it.
  writer.closed.catch(() => {});
  reader.closed.catch(() => {});
  let closing: Promise<void> | undefined;
  return {
    send: (frames) => writer.write(frames),
    received: readAll(reader),
    close: () => closing ??= closeBoth(reader, writer),
  };
}

/** Frames over the standard streams of a process that was spawned with `stdin` and `stdout` piped. */
export function processChannel(
  process: { stdin: ByteStreams["writable"]; stdout: ByteStreams["readable"] },
): FrameChannel {
  return streamChannel({ readable: process.stdout, writable: process.stdin });
}

/**
 * Frames over this process's own standard streams. From then on `console` writes to standard error alone, as one
 * line on standard output would end the conversation.
 */
export function stdioChannel(): FrameChannel {
  for (const name of STDOUT_METHODS) console[name] = console.error;
  console.clear = () => {};
  return streamChannel({ readable: Deno.stdin.readable, writable: Deno.stdout.writable });
}

async function* readAll(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value;
}

async function closeBoth(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  writer: WritableStreamDefaultWriter<Uint8Array>,
): Promise<void> {
  // Not `close`: it would wait for a peer that reads no more. Either side may have failed before.
  await Promise.allSettled([writer.abort(), reader.cancel()]);
}
