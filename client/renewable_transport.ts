/**
 * A transport whose certificate can be replaced while it is used: calls that are open stay on the connection that they
 * have, new ones get a new one, and the old one ends with its last call.
 */
import type { StreamResponse, Transport } from "@connectrpc/connect";
import { createHttp2Transport, type Http2Transport, type Http2TransportOptions } from "./http2_transport.ts";

export interface RenewableTransport extends Transport, Disposable {
  /** For all calls from now on. */
  renew(credentials: { certificate: string; key: string }): void;
  /** Ends all connections, and the calls that are open: they may be dead without anybody having told. */
  reconnect(): void;
}

interface Generation {
  transport: Http2Transport;
  open: number;
}

export function createRenewableTransport(options: Http2TransportOptions): RenewableTransport {
  const generations = new Set<Generation>();
  let latest = options;
  let current = begin();

  function begin(): Generation {
    const generation = { transport: createHttp2Transport(latest), open: 0 };
    generations.add(generation);
    return generation;
  }

  /** @returns what is to be called when the call has ended, once or more often */
  function enter(generation: Generation): () => void {
    generation.open++;
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      generation.open--;
      endIfIdle(generation);
    };
  }

  function endIfIdle(generation: Generation): void {
    if (generation === current || generation.open > 0) return;
    generations.delete(generation);
    generation.transport.close();
  }

  return {
    async unary(...call) {
      const generation = current;
      const leave = enter(generation);
      try {
        return await generation.transport.unary(...call);
      } finally {
        leave();
      }
    },
    async stream(...call) {
      const generation = current;
      const leave = enter(generation);
      const [, signal] = call;
      try {
        const response = await generation.transport.stream(...call);
        // Also of a stream that nobody reads to its end.
        signal?.addEventListener("abort", leave, { once: true });
        return { ...response, message: until(response.message, leave) } as typeof response;
      } catch (error) {
        leave();
        throw error;
      }
    },
    renew(credentials) {
      const before = current;
      latest = { ...options, ...credentials };
      current = begin();
      endIfIdle(before);
    },
    reconnect() {
      const before = [...generations];
      generations.clear();
      current = begin();
      for (const { transport } of before) transport.close();
    },
    [Symbol.dispose]() {
      for (const { transport } of generations) transport.close();
      generations.clear();
    },
  };
}

async function* until<T>(messages: StreamResponse["message"] & AsyncIterable<T>, leave: () => void) {
  try {
    yield* messages;
  } finally {
    leave();
  }
}
