/** What stands behind the gateway in tests: HTTP/1.1 on a unix socket, as server and agent speak it. */
import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { createConnectRouter } from "@connectrpc/connect";
import { createFetchHandler } from "@connectrpc/connect/protocol";
import { type VerifiedIdentity, VerifiedIdentitySchema } from "@k3ts/proto";
import { echoRoutes } from "@k3ts/proto/testing";

export type Handler = (request: Request, path: string) => Response | Promise<Response> | undefined;

export interface Backend extends AsyncDisposable {
  readonly requests: number;
}

/** Serves the echo service, `/whoami`, `/headers`, and before those whatever a test handles itself. */
export function serve(path: string, handle: Handler = () => undefined): Backend {
  const router = createConnectRouter({ connect: true, grpcWeb: true, grpc: false });
  echoRoutes()(router);
  // Over HTTP/1.1, but the gateway keeps both directions open as HTTP/2 would.
  const rpcs = new Map(
    router.handlers.map((each) => [each.requestPath, createFetchHandler(each, { httpVersion: "2" })]),
  );
  let requests = 0;
  try {
    Deno.removeSync(path);
  } catch { /* There was none. */ }
  const server = Deno.serve(
    { path, onListen: () => {}, onError: () => new Response("failed", { status: 500 }) },
    async (request) => {
      requests++;
      const target = request.url.slice(request.url.indexOf("/", request.url.indexOf("://") + 3));
      return await (handle(request, target) ?? rpcs.get(target)?.(request) ?? answer(request, target));
    },
  );
  return {
    get requests() {
      return requests;
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

export function identityOf(request: Request): VerifiedIdentity {
  return fromBinary(VerifiedIdentitySchema, base64Decode(request.headers.get("k3ts-identity") ?? ""));
}

function answer(request: Request, path: string): Response {
  if (path === "/headers") return Response.json(Object.fromEntries(request.headers));
  if (path !== "/whoami") return new Response("not found", { status: 404 });
  const { $typeName: _, ...identity } = identityOf(request);
  return Response.json(identity);
}

if (import.meta.main) serve(Deno.args[0] ?? "");
