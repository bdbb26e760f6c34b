/** Connect's services over `node:http`, without the HTTP/2 that its own adapter brings along. */
import type { IncomingMessage } from "node:http";
import { type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import type { Answer } from "./answer.ts";

/** @returns undefined when the path is none of a service */
export function connectFace(
  services: (router: ConnectRouter) => void,
): (request: IncomingMessage, url: URL, signal: AbortSignal) => Promise<Answer> | undefined {
  const router = createConnectRouter();
  services(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, url, signal) => {
    const handler = handlers.get(url.pathname);
    if (handler === undefined) return undefined;
    return handler({
      // HTTP/1.1 on a unix socket does carry both directions at once; Connect would not believe it.
      httpVersion: "2",
      url: url.href,
      method: request.method ?? "",
      header: headersOf(request),
      body: request,
      signal,
    }).then(({ status, header, body }) => ({
      status,
      ...(header !== undefined && { headers: Object.fromEntries(header) }),
      ...(body !== undefined && { body }),
    }));
  };
}

function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
  return headers;
}
