/**
 * The agent's face to this machine: HTTP/1.1 on D/run/agent.sock, with the paths of the kubelet. What comes through the
 * gateway has been authorised by the server; the rest comes from root on this machine, as nobody else reaches the
 * socket. It is served by `node:http`, which hands upgraded connections over as they are.
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Log } from "@k3ts/client/telemetry";
import { removeIfThere } from "../files.ts";
import type { ExecNative } from "../runtime/exec.ts";
import { type Answer, clientSignal, failure, sendAnswer } from "./answer.ts";
import { connectFace } from "./connect_face.ts";
import { Forwarders } from "./forwarder.ts";
import { type ImagePageParts, imagePages } from "./image_pages.ts";
import { logAnswer } from "./log_answer.ts";
import { nodePage, type NodePageParts } from "./node_pages.ts";
import { podAnswer } from "./pod_proxy.ts";
import { streamRoutes } from "./stream_service.ts";
import type { Targets } from "./targets.ts";
import { answerOf, serveUpgrade, targetOf } from "./upgrade.ts";

export interface ServeParts extends ImagePageParts, NodePageParts {
  socket: string;
  /** Where short-lived sockets lie. */
  runDirectory: string;
  targets: Targets;
  runtime: ExecNative;
  /** `k3ts-shim`. */
  shimProgram: string;
  log: Log;
  now: () => number;
  signal: AbortSignal;
}

/** A command may be long, and stands in the path. */
const HEAD_BYTES_MAX = 1024 * 1024;
const HEAD_MS_MAX = 30_000;

type Handler = (request: IncomingMessage, url: URL, signal: AbortSignal) => Promise<Answer> | undefined;

/** Listens until the signal fires. */
export async function serve(parts: ServeParts): Promise<{ finished: Promise<void> }> {
  await removeIfThere(parts.socket);
  const forwarders = new Forwarders({
    program: parts.shimProgram,
    directory: parts.runDirectory,
    signal: parts.signal,
  });
  const { targets, runtime, log, now } = parts;
  const service = connectFace(streamRoutes({ targets, runtime, forwarders, now }));
  const server = createServer({
    maxHeaderSize: HEAD_BYTES_MAX,
    headersTimeout: HEAD_MS_MAX,
    // A request lasts as long as its stream does, and a connection until the gateway has no use for it.
    requestTimeout: 0,
    keepAliveTimeout: 0,
  });
  server.on("request", (request, response) => {
    const signal = AbortSignal.any([parts.signal, clientSignal(response)]);
    respond(parts, service, request, signal)
      .then((answer) => sendAnswer(response, answer))
      .catch((error) => {
        if (!signal.aborted) log.error("Cannot answer a request", error);
      });
  });
  server.on("upgrade", (request, socket, head) => {
    // From here on the server does not know of it any more, and would wait for its end for ever.
    const cut = () => socket.destroy();
    parts.signal.addEventListener("abort", cut);
    socket.on("close", () => parts.signal.removeEventListener("abort", cut));
    serveUpgrade({ targets, runtime, forwarders, log, now }, request, socket, head, urlOf(request))
      .catch((error) => log.error("Cannot serve a stream", error));
  });
  await listen(server, parts.socket);
  await Deno.chmod(parts.socket, 0o600);
  const finished = new Promise<void>((resolve) => server.on("close", resolve));
  const stop = () => {
    server.close();
    server.closeAllConnections();
  };
  if (parts.signal.aborted) stop();
  else parts.signal.addEventListener("abort", stop, { once: true });
  return { finished };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function respond(
  parts: ServeParts,
  service: Handler,
  request: IncomingMessage,
  signal: AbortSignal,
): Promise<Answer> {
  const url = urlOf(request);
  try {
    const served = service(request, url, signal);
    if (served !== undefined) return await served;
    const [verb = "", ...rest] = url.pathname.split("/").slice(1).map(decodeURIComponent);
    if (verb === "containerLogs") return logAnswer(parts, targetOf(rest, 3), url.searchParams, signal);
    if (verb === "podProxy") return await podAnswer(parts.targets, request, url, signal);
    if (verb === "exec" || verb === "attach" || verb === "portForward") {
      return failure(400, "Upgrade request required");
    }
    return await imagePages(parts, request, url) ?? await nodePage(parts, request.method ?? "", url) ??
      failure(404, `the agent has nothing at ${url.pathname}`);
  } catch (error) {
    return answerOf(error, parts.log);
  }
}

function urlOf(request: IncomingMessage): URL {
  return new URL(request.url!.replace(/^\/+/, "/"), "http://agent");
}
