/**
 * A transport to a server's public port: HTTP/2 over TLS, all four kinds of calls.
 *
 * Over Deno's own `fetch`, whose HTTP/2 is native: `node:http2` of Deno 2.9 ends the whole process where a connection
 * is dropped with streams open.
 */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createFetchClient } from "@connectrpc/connect/protocol";
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
  const closing = new AbortController();
  const transport = createTransport({
    httpClient: createFetchClient(plainFetch(client, closing.signal)),
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
    closing.abort();
    client.close();
  };
  return { ...transport, close, [Symbol.dispose]: close };
}

/** `fetch` by a client of ours. It would ask for compressed answers by itself, and undo that behind Connect's back. */
function plainFetch(client: Deno.HttpClient, closing: AbortSignal): typeof fetch {
  return (input) => {
    const request = new Request(input, { signal: AbortSignal.any([closing, (input as Request).signal]) });
    request.headers.set("accept-encoding", "identity");
    return fetch(request, { client });
  };
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
