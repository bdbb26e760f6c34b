/**
 * Kubernetes's port-forward protocol over SPDY/3.1: for each connection the client opens two streams, one for its data
 * and one for what goes wrong, with the headers `streamtype`, `port` and `requestid`.
 */
import type { Pipe } from "./pipe.ts";
import type { ByteStream } from "./port_forward.ts";
import { SpdyConnection, type SpdyStream } from "./spdy/connection.ts";
import { SpdyError } from "./spdy/frames.ts";

export const FORWARD_PROTOCOL = "portforward.k8s.io";

/** The second stream of two is not waited for longer. */
const PAIR_MS_MAX = 30_000;
/** At once. */
const CONNECTIONS_MAX = 512;

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  port: number;
  late: ReturnType<typeof setTimeout>;
}

/**
 * Until the client is gone.
 * @param forward joins a stream with a port of the pod; its error's message is for the client
 * @throws {SpdyError} when the client broke the protocol
 */
export async function servePortForwardSpdy(
  pipe: Pipe,
  forward: (port: number, stream: ByteStream) => Promise<void>,
): Promise<void> {
  const pairs = new Map<string, Pair>();
  let open = 0;
  const connection = new SpdyConnection(pipe, {
    onStream(stream) {
      const { type, port, request } = readHeaders(stream);
      const pair = pairs.get(request) ?? newPair(request, port);
      if (pair[type] !== undefined || pair.port !== port) {
        throw new SpdyError(`request ${request} must have one ${type} stream, for one port`);
      }
      pair[type] = stream;
      if (pair.error === undefined || pair.data === undefined) return;
      clearTimeout(pair.late);
      pairs.delete(request);
      open++;
      const { error, data } = pair;
      forwardPair(port, error, data, forward)
        // The client is gone.
        .catch(() => {})
        .finally(() => open--);
    },
  });

  function newPair(request: string, port: number): Pair {
    if (open + pairs.size >= CONNECTIONS_MAX) {
      throw new SpdyError(`at most ${CONNECTIONS_MAX} connections may be open at once`);
    }
    const late = setTimeout(() => {
      pairs.delete(request);
      const { error, data } = pair;
      // The client is gone.
      refuse(error, data, `timed out waiting for the streams of request ${request}`).catch(() => {});
    }, PAIR_MS_MAX);
    const pair: Pair = { port, late };
    pairs.set(request, pair);
    return pair;
  }

  try {
    await connection.run();
  } finally {
    for (const { late } of pairs.values()) clearTimeout(late);
  }
}

function readHeaders({ id, headers }: SpdyStream): { type: "error" | "data"; port: number; request: string } {
  const type = headers.get("streamtype");
  const port = headers.get("port") ?? "";
  if (type !== "error" && type !== "data") {
    throw new SpdyError(`the header streamtype must be error or data: it is "${type ?? ""}"`);
  }
  if (!/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > 65535) {
    throw new SpdyError(`the header port must be 1 to 65535: it is "${port}"`);
  }
  // Old clients number nothing and open the stream of errors first.
  const request = headers.get("requestid") ?? `stream ${type === "error" ? id : id - 2}`;
  return { type, port: Number(port), request };
}

async function forwardPair(
  port: number,
  error: SpdyStream,
  data: SpdyStream,
  forward: (port: number, stream: ByteStream) => Promise<void>,
): Promise<void> {
  try {
    await forward(port, data);
  } catch (failure) {
    return await refuse(error, data, failure instanceof Error ? failure.message : String(failure));
  }
  await error.end();
}

/** The words first: the client stops to listen when its data ends. */
async function refuse(error: SpdyStream | undefined, data: SpdyStream | undefined, message: string): Promise<void> {
  await error?.write(new TextEncoder().encode(message));
  await error?.end();
  await data?.reset();
}
