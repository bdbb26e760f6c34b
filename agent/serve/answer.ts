/** Answers of the agent's HTTP face, and how they are sent over `node:http`. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

export interface Answer {
  status: number;
  headers?: Record<string, string | string[]>;
  /** Pieces are asked for only as fast as the client takes them. */
  body?: Uint8Array | AsyncIterable<Uint8Array>;
}

const encoder = new TextEncoder();

export function textAnswer(status: number, text: string): Answer {
  return { status, headers: { "content-type": "text/plain; charset=utf-8" }, body: encoder.encode(text) };
}

export function jsonAnswer(status: number, value: unknown): Answer {
  return { status, headers: { "content-type": "application/json" }, body: encoder.encode(JSON.stringify(value)) };
}

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  422: "Invalid",
  503: "ServiceUnavailable",
};

/** meta/v1 Status. */
export function failure(code: number, message: string): Answer {
  const reason = REASONS[code] ?? "InternalError";
  return jsonAnswer(code, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    code,
  });
}

/** @throws what the body throws, once the client's connection is broken off, so that it does not pass for the end */
export async function sendAnswer(response: ServerResponse, { status, headers, body }: Answer): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) {
    response.writeHead(status, { ...headers, "content-length": String(body?.length ?? 0) });
    response.end(body);
    return;
  }
  response.writeHead(status, headers);
  // Who follows is to see that it is followed before there is something to see.
  response.flushHeaders();
  try {
    for await (const data of body) {
      if (response.destroyed) return;
      if (!response.write(data)) await drained(response);
    }
    response.end();
  } catch (error) {
    response.destroy();
    throw error;
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

/** Fires when the client has gone before its answer was whole. */
export function clientSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.on("close", () => gone.abort(new Error("the client is gone")));
  return gone.signal;
}

/** To a request for another protocol that is refused: the connection ends with it. */
export function refuseUpgrade(socket: Duplex, { status, headers = {}, body }: Answer): void {
  const bytes = body instanceof Uint8Array ? body : new Uint8Array();
  const lines = { ...headers, "content-length": String(bytes.length), connection: "close" };
  writeHead(socket, status, "Refused", Object.entries(lines).map(([name, value]) => [name, String(value)]));
  socket.end(bytes);
}

/** 101: from here on the connection speaks the other protocol. */
export function acceptUpgrade(socket: Duplex, headers: Record<string, string>): void {
  writeHead(socket, 101, "Switching Protocols", [["connection", "Upgrade"], ...Object.entries(headers)]);
}

function writeHead(socket: Duplex, status: number, phrase: string, lines: [string, string][]): void {
  socket.write(`HTTP/1.1 ${status} ${phrase}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`);
}

/** Repeated headers come as one, their values joined by commas. */
export function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name];
  return (Array.isArray(value) ? value.join(", ") : value) ?? "";
}

/** A header that lists things. */
export function listHeader(request: IncomingMessage, name: string): string[] {
  return headerOf(request, name).split(",").map((one) => one.trim()).filter((one) => one !== "");
}
