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

/** The server's answer that sends a request to the agent of a node. */
export function splice(node: string, path: string): Response {
  return new Response(null, { headers: { "k3ts-splice-node": node, "k3ts-splice-path": path } });
}

export function webSocketEcho(request: Request, prefix: string): Response {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => socket.send(prefix + data);
  return response;
}

/** Upgrades every connection to a protocol, and sends back what comes; the heads that came before are kept. */
export function rawServe(path: string, protocol: string): { heads: string[] } & AsyncDisposable {
  const listener = Deno.listen({ transport: "unix", path });
  const heads: string[] = [];
  const echo = async (connection: Deno.UnixConn) => {
    using _ = connection;
    const piece = new Uint8Array(65_536);
    let head = "";
    while (!head.endsWith("\r\n\r\n")) {
      const count = await connection.read(piece.subarray(0, 1));
      if (count === null) return;
      head += String.fromCharCode(piece[0]!);
    }
    heads.push(head);
    const answer = `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${protocol}\r\n\r\n`;
    await writeAll(connection, new TextEncoder().encode(answer));
    for (let count; (count = await connection.read(piece)) !== null;) {
      await writeAll(connection, piece.subarray(0, count));
    }
  };
  const serving = (async () => {
    // Clients may leave as they like.
    for await (const connection of listener) echo(connection).catch(() => {});
  })();
  return {
    heads,
    async [Symbol.asyncDispose]() {
      listener.close();
      await serving;
    },
  };
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
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
