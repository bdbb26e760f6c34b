/**
 * The agent's face to this machine: HTTP/1.1 on D/run/agent.sock. What comes through the gateway has been authorised
 * by the server; the rest comes from root on this machine, as nobody else reaches the socket.
 */
import { createConnectRouter } from "@connectrpc/connect";
import { universalServerRequestFromFetch, universalServerResponseToFetch } from "@connectrpc/connect/protocol";
import { removeIfThere } from "../files.ts";
import type { Images } from "../images/images.ts";
import type { Image } from "../images/index.ts";
import { explain, type Log } from "../log.ts";
import { Attachment } from "../runtime/attach.ts";
import { type ExecNative, startExec } from "../runtime/exec.ts";
import { chooseProtocol, serveProcess } from "./exec_socket.ts";
import { type LogOptions, readLog } from "./log_reader.ts";
import { streamRoutes } from "./stream_service.ts";
import { StreamError, type Target, type Targets } from "./targets.ts";

export interface ServeParts {
  socket: string;
  targets: Targets;
  images: Images;
  runtime: ExecNative;
  /** Told when images were imported. */
  imagesChanged(): void;
  log: Log;
  now: () => number;
  signal: AbortSignal;
}

/** Listens until the signal fires. */
export async function serve(parts: ServeParts): Promise<Deno.HttpServer> {
  await removeIfThere(parts.socket);
  const streams = streamHandler(parts);
  const server = Deno.serve({
    path: parts.socket,
    signal: parts.signal,
    onListen: () => {},
    onError: (error) => {
      parts.log.error("Cannot answer a request", error);
      return status(500, explain(error));
    },
  }, async (request) => {
    try {
      return await answer(parts, streams, request);
    } catch (error) {
      if (error instanceof StreamError) return status(error.status, error.message);
      throw error;
    }
  });
  await Deno.chmod(parts.socket, 0o600);
  return server;
}

async function answer(
  parts: ServeParts,
  streams: (request: Request, url: URL) => Promise<Response> | undefined,
  request: Request,
): Promise<Response> {
  const url = urlOf(request);
  const streamed = streams(request, url);
  if (streamed !== undefined) return await streamed;
  const [verb = "", namespace = "", pod = "", container = ""] = url.pathname.split("/").slice(1).map(
    decodeURIComponent,
  );
  const target = { namespace, pod, container };
  if (verb === "logs") return logs(parts, target, url.searchParams);
  if (verb === "exec") return await upgrade(parts, request, () => exec(parts, target, url.searchParams));
  if (verb === "attach") return await upgrade(parts, request, () => attach(parts, target));
  if (verb === "images") return await images(parts, request, url);
  return status(404, `the agent has nothing at ${url.pathname}`);
}

/** On a unix socket a request's URL begins with `http+unix://` and the socket's path. */
function urlOf(request: Request): URL {
  const path = /^[a-z+]+:\/\/[^/]*(\/.*)?$/.exec(request.url)?.[1] ?? "/";
  return new URL(path, "http://agent");
}

function logs({ targets, now, signal }: ServeParts, target: Target, query: URLSearchParams): Response {
  const { path, isLive } = targets.log(target, query.get("previous") === "true");
  const since = query.get("sinceSeconds");
  const sinceTime = query.get("sinceTime");
  const number = (name: string) => (query.get(name) === null ? undefined : Number(query.get(name)));
  const tailLines = number("tailLines");
  const limitBytes = number("limitBytes");
  const stream = query.get("stream")?.toLowerCase();
  const options: LogOptions = {
    follow: query.get("follow") === "true",
    timestamps: query.get("timestamps") === "true",
    ...(tailLines !== undefined && { tailLines }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(since !== null && { since: now() - Number(since) * 1000 }),
    ...(sinceTime !== null && { since: Date.parse(sinceTime) }),
    ...((stream === "stdout" || stream === "stderr") && { stream }),
  };
  const ended = new AbortController();
  const both = AbortSignal.any([signal, ended.signal]);
  const chunks = readLog(path, options, isLive, both);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const next = await chunks.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: () => ended.abort(),
  });
  return new Response(body, { headers: { "content-type": "text/plain" } });
}

async function exec({ targets, runtime }: ServeParts, target: Target, query: URLSearchParams): Promise<Attachment> {
  const { id } = targets.running(target);
  const command = query.getAll("command");
  if (command.length === 0) {
    throw new StreamError(400, "Cannot run a command as the request must have one: it has none");
  }
  return await startExec(runtime, targets.directoryOf(id), id, {
    command,
    stdin: query.get("stdin") === "true",
    tty: query.get("tty") === "true",
  });
}

async function attach({ targets }: ServeParts, target: Target): Promise<Attachment> {
  const { id } = targets.running(target);
  return await Attachment.connect(`${targets.directoryOf(id)}/attach.sock`);
}

/** The process first: what cannot be had is answered in plain HTTP. */
async function upgrade(parts: ServeParts, request: Request, open: () => Promise<Attachment>): Promise<Response> {
  const protocol = chooseProtocol(request.headers.get("sec-websocket-protocol"));
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket" || protocol === undefined) {
    throw new StreamError(
      400,
      "Cannot open a stream as it must be a WebSocket that speaks v5.channel.k8s.io or v4.channel.k8s.io",
    );
  }
  const attachment = await open();
  const { socket, response } = Deno.upgradeWebSocket(request, { protocol });
  serveProcess(socket, attachment).catch((error) => parts.log.warn(`A stream has ended early: ${explain(error)}`));
  return response;
}

/** For root on this machine only: what the gateway sends bears an identity. */
async function images(parts: ServeParts, request: Request, url: URL): Promise<Response> {
  if (request.headers.has("k3ts-identity")) return status(404, `the agent has nothing at ${url.pathname}`);
  if (request.method === "GET" && url.pathname === "/images") {
    return Response.json(parts.images.index.list().flatMap(rowsOf));
  }
  const path = url.searchParams.get("path");
  if (request.method !== "POST" || url.pathname !== "/images/import" || path === null) {
    return new Response("Cannot import as the request must be POST /images/import?path=...", { status: 400 });
  }
  try {
    const imported = await parts.images.import(path, url.searchParams.get("name") ?? undefined);
    parts.imagesChanged();
    return Response.json(imported.flatMap(rowsOf));
  } catch (error) {
    return new Response(explain(error), { status: 400 });
  }
}

/** A row for each name, as `k3ts image list` shows them. */
function rowsOf(image: Image): { reference: string; digest: string; size: number }[] {
  return image.names.map((reference) => ({ reference, digest: image.id, size: image.sizeBytes }));
}

function streamHandler({ targets, runtime, now }: ServeParts) {
  const router = createConnectRouter();
  streamRoutes(targets, runtime, now)(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request: Request, url: URL): Promise<Response> | undefined => {
    const handler = handlers.get(url.pathname);
    if (handler === undefined) return undefined;
    const plain = new Request(url, request);
    // HTTP/1.1 on a unix socket does carry both directions at once; Connect would not believe it.
    return handler(universalServerRequestFromFetch(plain, { httpVersion: "2" })).then(universalServerResponseToFetch);
  };
}

/** meta/v1 Status. */
function status(code: number, message: string): Response {
  const reason = code === 404 ? "NotFound" : code === 400 ? "BadRequest" : "InternalError";
  const body = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
  return Response.json(body, { status: code });
}
