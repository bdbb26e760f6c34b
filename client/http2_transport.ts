/**
 * A transport to a server's public port: HTTP/2 over TLS, all four kinds of calls.
 *
 * Over Deno's own `fetch`, whose HTTP/2 is native: `node:http2` of Deno 2.9 ends the whole process where a connection
 * is dropped with streams open.
 */
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import type { UniversalClientFn } from "@connectrpc/connect/protocol";
import { createTransport } from "@connectrpc/connect/protocol-connect";
import { tellConnectionLoss } from "./connection_loss.ts";

export interface Http2TransportOptions {
  /** `https://127.0.0.1:6443`. */
  url: string;
  /** PEM. @default the authorities that the system trusts */
  caCertificate?: string;
  /** PEM, with `key`. */
  certificate?: string;
  /** PEM. */
  key?: string;
  /** Sent as `Authorization: Bearer`. */
  token?: string;
  interceptors?: Interceptor[];
  /** For calls that name no deadline of their own. @default none */
  defaultTimeoutMs?: number;
}

export interface Http2Transport extends Transport, Disposable {
  /** Ends the connection and every call that is open. */
  close(): void;
}

/** Most bytes of one message: a page of a list, an object. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

export function createHttp2Transport(options: Http2TransportOptions): Http2Transport {
  const { caCertificate, certificate, key } = options;
  const client = Deno.createHttpClient({
    http1: false,
    http2: true,
    ...(caCertificate !== undefined && { caCerts: [caCertificate] }),
    ...(certificate !== undefined && key !== undefined && { cert: certificate, key }),
  });
  const open = new Set<() => void>();
  const transport = createTransport({
    httpClient: fetchOver(client, open),
    baseUrl: options.url,
    useBinaryFormat: true,
    readMaxBytes: MESSAGE_BYTES_MAX,
    writeMaxBytes: MESSAGE_BYTES_MAX,
    // On one machine, and between machines of one cluster, compression costs more than it saves.
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: Number.MAX_SAFE_INTEGER,
    interceptors: [
      ...(options.token === undefined ? [] : [bearer(options.token)]),
      ...(options.interceptors ?? []),
      tellConnectionLoss,
    ],
    ...(options.defaultTimeoutMs !== undefined && { defaultTimeoutMs: options.defaultTimeoutMs }),
  });
  const close = () => {
    for (const end of open) end();
    client.close();
  };
  return { ...transport, close, [Symbol.dispose]: close };
}

/** @param open how to end each answer that is being read */
function fetchOver(client: Deno.HttpClient, open: Set<() => void>): UniversalClientFn {
  return async ({ url, method, header, body, signal }) => {
    // It would ask for compressed answers by itself, and undo that behind Connect's back.
    header.set("accept-encoding", "identity");
    const response = await fetch(url, {
      method,
      headers: header,
      signal,
      client,
      ...(body && { body: ReadableStream.from(body) }),
    });
    return {
      status: response.status,
      header: response.headers,
      body: read(response, signal, open),
      trailer: new Headers(),
    };
  };
}

/**
 * The body of an answer, until the signal fires. `fetch` itself forgets its signal once the head is there: what links
 * the two may be collected as garbage.
 */
async function* read(
  response: Response,
  signal: AbortSignal | undefined,
  open: Set<() => void>,
): AsyncGenerator<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  let isEnded = false;
  const end = () => {
    isEnded = true;
    reader.cancel().catch(() => {}); // it may have failed already, which whoever reads is told
  };
  open.add(end);
  signal?.addEventListener("abort", end);
  try {
    while (true) {
      signal?.throwIfAborted();
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (isEnded) throw new ConnectError("the transport was closed", Code.Unavailable);
      if (done) return;
      yield value;
    }
  } finally {
    open.delete(end);
    signal?.removeEventListener("abort", end);
    end();
  }
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
