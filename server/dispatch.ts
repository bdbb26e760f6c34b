/** From a path to the face that answers it: Connect services, streams, or the Kubernetes API. */
import { type ConnectError, type ConnectRouter, createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler, encodeEnvelope } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamToJson } from "@connectrpc/connect/protocol-connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc-web";
import { type ApiServer, connectErrorOf } from "@k3ts/api";
import { isStream, spliceResponse, spliceStream } from "./faces/streams.ts";
import { answerErrors, type OnFault } from "./faults.ts";
import { userOf } from "./identity.ts";

export type Handler = (request: Request) => Response | Promise<Response>;

/** Messages of a client: an object, at most. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;

/** @param rest answers whatever is not a service of ours */
export function dispatch(
  server: ApiServer,
  services: (router: ConnectRouter) => void,
  rest: Handler,
  onFault: OnFault,
): Handler {
  const router = createConnectRouter({
    connect: true,
    grpcWeb: true,
    grpc: false,
    readMaxBytes: MESSAGE_BYTES_MAX,
    interceptors: [answerErrors(onFault)],
  });
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
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("?", start);
  return start < 0 ? "/" : url.slice(start, end < 0 ? undefined : end);
}

async function stream(path: string, request: Request, server: ApiServer): Promise<Response> {
  try {
    const user = await userOf(request.headers, server);
    return spliceResponse(await spliceStream(path, request.headers, user, server, request.signal));
  } catch (error) {
    return refusal(connectErrorOf(error), request.headers.get("content-type") ?? "");
  }
}

/** Every call of StreamService is a stream: a refusal is its end, as the caller's protocol writes that. */
function refusal(error: ConnectError, contentType: string): Response {
  if (contentType.startsWith("application/grpc")) {
    const headers = new Headers({ "content-type": "application/grpc-web+proto" });
    setTrailerStatus(headers, error);
    return new Response(null, { headers });
  }
  const end = new TextEncoder().encode(JSON.stringify(endStreamToJson(new Headers(), error, undefined)));
  return new Response(encodeEnvelope(endStreamFlag, end), {
    headers: { "content-type": contentType || "application/connect+proto" },
  });
}
