/** Connections into a pod's network, each joined with a client's stream. */
import type { Forwarders, PodConnection } from "./forwarder.ts";
import type { NetworkTarget } from "./targets.ts";

/** One direction each way, which end on their own. */
export interface ByteStream {
  /** null when the other side sends no more. */
  read(): Promise<Uint8Array | null>;
  /** Resolves once the other side keeps up. @throws when it is gone */
  write(data: Uint8Array): Promise<void>;
  /** No more is sent. */
  end(): Promise<void>;
  /** Told when the pod has accepted. */
  opened?(): Promise<void>;
  /** Fires when the other side has ended both at once, or is gone. */
  readonly over: AbortSignal;
}

const BUFFER_BYTES = 64 * 1024;

/**
 * Until both directions have ended.
 * @throws when the pod does not take the connection, or breaks it off; the message is for the client
 */
export async function forwardPort(
  forwarders: Forwarders,
  target: NetworkTarget,
  port: number,
  stream: ByteStream,
): Promise<void> {
  try {
    using open = await forwarders.connect(target, port);
    await join(open, stream);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`error forwarding port ${port} to pod ${target.pod}, uid ${target.uid}: ${reason}`, {
      cause: error,
    });
  }
}

async function join(open: PodConnection, stream: ByteStream): Promise<void> {
  const close = () => open[Symbol.dispose]();
  stream.over.addEventListener("abort", close);
  if (stream.over.aborted) close();
  try {
    await stream.opened?.();
    await Promise.all([
      // A pod that hears no more may still have something to say.
      toPod(stream, open).catch(() => {}),
      // What breaks off is not to look like what has ended: whoever called tells the client, and ends the other way.
      toClient(open, stream),
    ]);
  } finally {
    stream.over.removeEventListener("abort", close);
  }
}

async function toPod(stream: ByteStream, connection: PodConnection): Promise<void> {
  for (let data = await stream.read(); data !== null; data = await stream.read()) {
    await connection.write(data);
  }
  await connection.end();
}

async function toClient(connection: PodConnection, stream: ByteStream): Promise<void> {
  for (;;) {
    // A new one each time: what was handed on may still be waiting to go out.
    const buffer = new Uint8Array(BUFFER_BYTES);
    const read = await connection.read(buffer);
    if (read === null) return await stream.end();
    await stream.write(buffer.subarray(0, read));
  }
}
