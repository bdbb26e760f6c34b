/** A log over a WebSocket, for browsers: pieces of it as messages, in bytes or in base64 (Kubernetes' `wsstream`). */
import { Buffer } from "node:buffer";
import type { Pipe } from "./pipe.ts";
import { WebSocketConnection } from "./websocket/connection.ts";

/** A client that names none gets bytes. */
export const LOG_SUBPROTOCOLS = ["binary.k8s.io", "base64.binary.k8s.io"] as const;

/** Until the log ends, or the client goes, which is told by `over`. */
export async function serveLogWebSocket(
  pipe: Pipe,
  protocol: string,
  log: AsyncIterable<Uint8Array>,
  over: AbortController,
): Promise<void> {
  const socket = new WebSocketConnection(pipe);
  const send = (data: Uint8Array) =>
    protocol === LOG_SUBPROTOCOLS[1] ? socket.sendText(Buffer.from(data).toString("base64")) : socket.sendBinary(data);
  const reading = untilGone(socket).finally(() => over.abort());
  reading.catch(() => {}); // awaited below
  try {
    // An empty message tells the client that somebody is there.
    await send(new Uint8Array());
    for await (const piece of log) await send(piece);
  } catch (error) {
    if (!over.signal.aborted) throw error;
  } finally {
    await socket.close();
    await reading;
  }
}

/** What a reader says is of no interest, but that it is there. */
async function untilGone(socket: WebSocketConnection): Promise<void> {
  const messages = socket.messages();
  while (!(await messages.next()).done);
}
