/** From a path to the face that answers it: Connect services, streams, or the Kubernetes API. */
import { Code, ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler } from "@connectrpc/connect/protocol";
import type { ApiServer } from "@k3ts/api";
import { connectErrorOf } from "@k3ts/api";
import { isStream, spliceResponse, spliceStream } from "./faces/streams.ts";
import { userOf } from "./identity.ts";

export type Handler = (request: Request) => Response | Promise<Response>;

/** Messages of a client: an object, at most. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** @param rest answers whatever is not a service of ours */
export function dispatch(server: ApiServer, services: (router: ConnectRouter) => void, rest: Handler): Handler {
  const router = createConnectRouter({ connect: true, grpcWeb: true, grpc: false, readMaxBytes: MESSAGE_BYTES_MAX });
  services(router);
  const handlers = new Map(router.handlers.map((handler) => {
    // The gateway has spoken HTTP/2 to the client, so that bidirectional streams work; Connect asks for its word.
    return [handler.requestPath, createFetchHandler(handler, { httpVersion: "2" })] as const;
  }));
  return (request) => {
    const path = pathOf(request.url);
    const service = handlers.get(path);
    if (service !== undefined) return service(request);
    if (isStream(path)) return stream(path, request, server);
    return rest(request);
  };
}

/** A request from a unix socket has no host: `http+unix://%2Frun%2Fserver.sock/api/v1`. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return start < 0 ? "/" : url.slice(start, end < 0 ? undefined : end);
}

async function stream(path: string, request: Request, server: ApiServer): Promise<Response> {
  try {
    const user = await userOf(request.headers, server);
    return spliceResponse(await spliceStream(path, request.headers, user, server, request.signal));
  } catch (error) {
    return refusal(
      error instanceof ConnectError ? error : connectErrorOf(error),
      request.headers.get("content-type") ?? "",
    );
  }
}

/** In the protocol of the caller: a trailer of gRPC-Web, the end of a Connect stream, or a unary Connect error. */
function refusal(error: ConnectError, contentType: string): Response {
  if (contentType.startsWith("application/grpc")) {
    const headers = {
      "content-type": "application/grpc-web+proto",
      "grpc-status": String(error.code),
      "grpc-message": encodeURIComponent(error.rawMessage),
    };
    return new Response(null, { headers });
  }
  const body = {
    error: { code: Code[error.code].replace(/(?<!^)([A-Z])/g, "_$1").toLowerCase(), message: error.rawMessage },
  };
  const text = new TextEncoder().encode(JSON.stringify(body));
  const frame = new Uint8Array(5 + text.length);
  frame[0] = 2; // the end of a Connect stream
  new DataView(frame.buffer).setUint32(1, text.length);
  frame.set(text, 5);
  return new Response(frame, { headers: { "content-type": contentType || "application/connect+proto" } });
}
