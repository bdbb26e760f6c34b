/** A transport to a server's public port: HTTP/2 over TLS, all four kinds of calls. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { tellConnectionLoss, TellingSessionManager } from "./connection_loss.ts";

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
  /** The name that the server's certificate must bear. @default the host of `url` */
  serverName?: string;
  interceptors?: Interceptor[];
  /** For calls that name no deadline of their own. @default none */
  defaultTimeoutMs?: number;
}

export interface Http2Transport extends Transport, Disposable {
  /** Ends the connection and every call that is open. A process does not end while it is open. */
  close(): void;
}

/** Most bytes of one message: a page of a list, an object. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
/** A connection that is in use is asked for a sign of life so often, lest a watch hangs on a dead one. */
const PING_INTERVAL_MS = 15_000;
const PING_TIMEOUT_MS = 10_000;

/** The connection is made by the first call, and anew by the next one after it was lost. */
export function createHttp2Transport(options: Http2TransportOptions): Http2Transport {
  const sessions = new TellingSessionManager(
    options.url,
    { pingIntervalMs: PING_INTERVAL_MS, pingTimeoutMs: PING_TIMEOUT_MS },
    {
      ...(options.caCertificate !== undefined && { ca: options.caCertificate }),
      ...(options.certificate !== undefined && { cert: options.certificate, key: options.key }),
      ...(options.serverName !== undefined && { servername: options.serverName }),
    },
  );
  const transport = createConnectTransport({
    httpVersion: "2",
    baseUrl: options.url,
    sessionManager: sessions,
    readMaxBytes: MESSAGE_BYTES_MAX,
    // On one machine, and between machines of one cluster, it costs more than it saves.
    acceptCompression: [],
    interceptors: [
      ...(options.token === undefined ? [] : [bearer(options.token)]),
      ...(options.interceptors ?? []),
      tellConnectionLoss,
    ],
    ...(options.defaultTimeoutMs !== undefined && { defaultTimeoutMs: options.defaultTimeoutMs }),
  });
  return { ...transport, close: () => sessions.abort(), [Symbol.dispose]: () => sessions.abort() };
}

function bearer(token: string): Interceptor {
  return (next) => (request) => {
    request.header.set("authorization", `Bearer ${token}`);
    return next(request);
  };
}
