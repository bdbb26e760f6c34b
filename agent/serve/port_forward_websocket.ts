/**
 * Kubernetes's older port-forward protocol over a WebSocket: the ports stand in the request; each has two channels, for
 * its data and for what goes wrong, on both of which the port comes first (u16, little-endian).
 */
import { Budget, ByteQueue } from "./byte_queue.ts";
import type { Pipe } from "./pipe.ts";
import type { ByteStream } from "./port_forward.ts";
import { Channels } from "./websocket/channels.ts";
import { WebSocketConnection } from "./websocket/connection.ts";

export const FORWARD_SUBPROTOCOLS = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io"] as const;

/** Received, and not yet taken, of all channels. */
const WAITING_BYTES_MAX = 256 * 1024;

/** Until all ports are done or the client is gone. */
export async function servePortForwardWebSocket(
  pipe: Pipe,
  protocol: string,
  ports: readonly number[],
  forward: (port: number, stream: ByteStream) => Promise<void>,
): Promise<void> {
  const socket = new WebSocketConnection(pipe);
  const channels = new Channels(socket, protocol);
  const budget = new Budget(WAITING_BYTES_MAX);
  const over = new AbortController();
  const queues = ports.map(() => new ByteQueue(budget));
  const reading = (async () => {
    try {
      for await (const { channel, data } of channels.messages()) {
        if (channel % 2 === 0) queues[channel / 2]?.push(data);
        await budget.room();
      }
    } finally {
      over.abort(new Error("the client is gone"));
      for (const queue of queues) queue.discard();
    }
  })();
  reading.catch(() => {}); // awaited below
  socket.closed.then(() => budget.release());
  try {
    await Promise.all(ports.map(async (port, index) => {
      const head = new Uint8Array([port & 0xff, port >> 8]);
      await channels.send(2 * index, head);
      await channels.send(2 * index + 1, head);
      const stream = channelStream(channels, 2 * index, queues[index]!, over.signal);
      await forward(port, stream).catch(async (error) => {
        queues[index]!.discard();
        const message = error instanceof Error ? error.message : String(error);
        await channels.send(2 * index + 1, new TextEncoder().encode(message));
      });
    }));
  } finally {
    await socket.close();
    await reading;
  }
}

/** A channel has no end of its own: it is over when the pod says no more. */
function channelStream(channels: Channels, channel: number, queue: ByteQueue, over: AbortSignal): ByteStream {
  return {
    read: () => queue.read(),
    write: (data) => channels.send(channel, data),
    end: () => Promise.resolve(queue.discard()),
    over,
  };
}

/** @returns undefined when one is no port */
export function readPorts(query: URLSearchParams): number[] | undefined {
  const ports = query.getAll("port").flatMap((text) => text.split(","));
  const isPort = (text: string) => /^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65535;
  return ports.length > 0 && ports.every(isPort) ? ports.map(Number) : undefined;
}
