/** Requests whose connection becomes something else: exec, attach, port-forward and logs over SPDY/3.1 or a WebSocket. */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { explain, type Log } from "@k3ts/client/telemetry";
import { Attachment } from "../runtime/attach.ts";
import { type ExecNative, startExec } from "../runtime/exec.ts";
import { acceptUpgrade, type Answer, failure, headerOf, listHeader, refuseUpgrade, textAnswer } from "./answer.ts";
import {
  type CommandClient,
  exitStatus,
  failureStatus,
  joinCommand,
  type Process,
  SUCCESS,
  type Wanted,
} from "./command.ts";
import { COMMAND_PROTOCOLS, serveCommandSpdy } from "./command_spdy.ts";
import { COMMAND_SUBPROTOCOLS, serveCommandWebSocket } from "./command_websocket.ts";
import type { Forwarders } from "./forwarder.ts";
import { openLog } from "./log_answer.ts";
import { LOG_SUBPROTOCOLS, serveLogWebSocket } from "./log_websocket.ts";
import { type Pipe, SocketPipe } from "./pipe.ts";
import { type ByteStream, forwardPort } from "./port_forward.ts";
import { FORWARD_PROTOCOL, servePortForwardSpdy } from "./port_forward_spdy.ts";
import { FORWARD_SUBPROTOCOLS, readPorts, servePortForwardWebSocket } from "./port_forward_websocket.ts";
import { SpdyError } from "./spdy/frames.ts";
import { StreamError, type Target, type Targets } from "./targets.ts";
import { acceptOf, TunnelPipe, WebSocketConnection } from "./websocket/connection.ts";
import { WebSocketError } from "./websocket/frames.ts";

export interface UpgradeParts {
  targets: Targets;
  runtime: ExecNative;
  forwarders: Forwarders;
  log: Log;
  now: () => number;
}

/** What is done with the connection once it speaks the protocol that was chosen. */
interface Accepted {
  headers: Record<string, string>;
  serve(pipe: Pipe): Promise<void>;
}

/** A SPDY connection that travels in a WebSocket (KEP-4006). */
const TUNNEL_PREFIX = "SPDY/3.1+";

/** Answers the request, and serves the connection until it ends. */
export async function serveUpgrade(
  parts: UpgradeParts,
  request: IncomingMessage,
  socket: Duplex,
  head: Uint8Array,
  url: URL,
): Promise<void> {
  const pipe = new SocketPipe(socket, head);
  let accepted: Accepted;
  try {
    accepted = await accept(parts, request, url);
  } catch (error) {
    return refuseUpgrade(socket, answerOf(error, parts.log));
  }
  acceptUpgrade(socket, accepted.headers);
  try {
    await accepted.serve(pipe);
  } catch (error) {
    // What a client breaks is its own affair: it was told, and could fill the log with it.
    if (!(error instanceof SpdyError || error instanceof WebSocketError)) {
      parts.log.warn("A stream has ended early", { path: url.pathname, error: explain(error) });
    }
  } finally {
    // All that was to be said was written by now; who goes on for ever is cut off.
    pipe.end();
  }
}

/** The request gets an ordinary answer. */
export class Refusal extends Error {
  override name = "Refusal";
  constructor(readonly answer: Answer, message: string) {
    super(message);
  }
}

/** @returns the answer to a request that cannot be served */
export function answerOf(error: unknown, log: Log): Answer {
  if (error instanceof Refusal) return error.answer;
  if (error instanceof StreamError) return failure(error.status, error.message);
  if (error instanceof URIError) return failure(400, "the path must be properly escaped");
  log.error("Cannot answer a request", error);
  return failure(500, explain(error));
}

function refusal(status: number, message: string, headers: Record<string, string> = {}): Refusal {
  const answer = textAnswer(status, message);
  return new Refusal({ ...answer, headers: { ...answer.headers, ...headers } }, message);
}

async function accept(parts: UpgradeParts, request: IncomingMessage, url: URL): Promise<Accepted> {
  const [verb = "", ...rest] = url.pathname.split("/").slice(1).map(decodeURIComponent);
  if (verb === "exec") return commands(request, url, execProcess(parts, targetOf(rest, 3), url));
  if (verb === "attach") return commands(request, url, attachProcess(parts, targetOf(rest, 3), url));
  if (verb === "portForward") return await forwards(parts, request, targetOf(rest, 2), url);
  if (verb === "containerLogs") return logs(parts, request, targetOf(rest, 3), url);
  throw refusal(400, `the agent has nothing to upgrade to at ${url.pathname}`);
}

/** `namespace/pod/container`, or with the pod's uid before the container. */
export function targetOf(parts: string[], length: number): Target {
  const [namespace = "", pod = "", ...rest] = parts;
  const [container = ""] = length === 3 ? rest.slice(-1) : [];
  const uid = rest.length === length - 1 ? rest[0] : undefined;
  return { namespace, pod, container, ...(uid !== undefined && { uid }) };
}

function commands(request: IncomingMessage, url: URL, process: Process): Accepted {
  const wanted = wantedOf(url.searchParams);
  const join = (client: CommandClient) => joinCommand(client, process);
  if (isWebSocket(request)) {
    const protocol = chooseSubprotocol(request, COMMAND_SUBPROTOCOLS);
    return {
      headers: webSocketHeaders(request, protocol),
      serve: (pipe) => serveCommandWebSocket(pipe, protocol, wanted, join),
    };
  }
  const protocol = chooseSpdyProtocol(request, COMMAND_PROTOCOLS);
  return {
    headers: spdyHeaders(protocol),
    serve: (pipe) => serveCommandSpdy(pipe, protocol, wanted, join),
  };
}

function execProcess({ targets, runtime }: UpgradeParts, target: Target, { searchParams: query }: URL): Process {
  const { id } = targets.running(target);
  const command = query.getAll("command");
  if (command.length === 0) throw refusal(400, "you must specify at least 1 command");
  const { stdin, tty } = wantedOf(query);
  return {
    action: "executing command in container",
    tty,
    open: (size) =>
      startExec(runtime, targets.directoryOf(id), id, { command, stdin, tty, ...(size !== undefined && { size }) }),
    statusOf: exitStatus,
  };
}

/** The exit code of a container is in its pod's status, not in what watched it. */
function attachProcess({ targets }: UpgradeParts, target: Target, { searchParams: query }: URL): Process {
  const { id } = targets.running(target);
  const { stdin, tty } = wantedOf(query);
  return {
    action: "attaching to container",
    tty,
    open: async (size) => {
      const attachment = await Attachment.connect(`${targets.directoryOf(id)}/attach.sock`);
      if (stdin) await attachment.takeInput();
      if (size !== undefined) await attachment.resize(size.columns, size.rows);
      return attachment;
    },
    statusOf: (code) => code === undefined ? failureStatus("the container's shim has cut the stream off") : SUCCESS,
  };
}

/** As the API names them (core/v1 PodExecOptions), or the kubelet. */
function wantedOf(query: URLSearchParams): Wanted {
  const is = (...names: string[]) => names.some((name) => query.has(name) && !/^(0|false)$/i.test(query.get(name)!));
  const tty = is("tty");
  // A terminal has one output.
  const wanted = { stdin: is("stdin", "input"), stdout: is("stdout", "output"), stderr: is("stderr", "error") && !tty };
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr) {
    throw refusal(400, "you must specify at least 1 of stdin, stdout, stderr");
  }
  return { ...wanted, tty };
}

async function forwards(parts: UpgradeParts, request: IncomingMessage, target: Target, url: URL): Promise<Accepted> {
  const network = await parts.targets.network(target);
  const forward = (port: number, stream: ByteStream) => forwardPort(parts.forwarders, network, port, stream);
  if (!isWebSocket(request)) {
    const protocol = chooseSpdyProtocol(request, [FORWARD_PROTOCOL]);
    return { headers: spdyHeaders(protocol), serve: (pipe) => servePortForwardSpdy(pipe, forward) };
  }
  const tunnel = `${TUNNEL_PREFIX}${FORWARD_PROTOCOL}`;
  const protocol = chooseSubprotocol(request, [tunnel, ...FORWARD_SUBPROTOCOLS]);
  const headers = webSocketHeaders(request, protocol);
  if (protocol === tunnel) {
    return {
      headers,
      serve: (pipe) => servePortForwardSpdy(new TunnelPipe(new WebSocketConnection(pipe)), forward),
    };
  }
  const ports = readPorts(url.searchParams);
  if (ports === undefined) throw refusal(400, 'query parameter "port" is required, each of 1 to 65535');
  return { headers, serve: (pipe) => servePortForwardWebSocket(pipe, protocol, ports, forward) };
}

function logs(parts: UpgradeParts, request: IncomingMessage, target: Target, url: URL): Accepted {
  if (!isWebSocket(request)) throw refusal(400, "unable to upgrade: a log is read by HTTP or a WebSocket");
  const protocol = chooseSubprotocol(request, LOG_SUBPROTOCOLS);
  const over = new AbortController();
  const log = openLog(parts, target, url.searchParams, over.signal);
  return {
    headers: webSocketHeaders(request, protocol),
    serve: (pipe) => serveLogWebSocket(pipe, protocol, log, over),
  };
}

function isWebSocket(request: IncomingMessage): boolean {
  const upgrade = headerOf(request, "upgrade").toLowerCase();
  if (upgrade === "websocket") return true;
  if (upgrade === "spdy/3.1") return false;
  throw refusal(400, `unable to upgrade: a connection can become SPDY/3.1 or a WebSocket: "${upgrade}" is neither`);
}

/** The first that the client wants and that is spoken here. */
function chooseSpdyProtocol(request: IncomingMessage, spoken: readonly string[]): string {
  const asked = listHeader(request, "x-stream-protocol-version");
  if (asked.length === 0) return spoken.at(-1)!;
  const chosen = asked.find((one) => spoken.includes(one));
  if (chosen !== undefined) return chosen;
  throw refusal(
    403,
    `unable to upgrade: unable to negotiate protocol: client supports [${asked.join(" ")}], server accepts [${
      spoken.join(" ")
    }]`,
    { "x-accepted-stream-protocol-versions": spoken.join(", ") },
  );
}

function spdyHeaders(protocol: string): Record<string, string> {
  return { upgrade: "SPDY/3.1", "x-stream-protocol-version": protocol };
}

/** Empty when the client names none: the first version is spoken then. */
function chooseSubprotocol(request: IncomingMessage, spoken: readonly string[]): string {
  const asked = listHeader(request, "sec-websocket-protocol");
  if (asked.length === 0) return "";
  const chosen = asked.find((one) => spoken.includes(one));
  if (chosen !== undefined) return chosen;
  throw refusal(
    403,
    `unable to upgrade: requested protocol(s) are not supported: [${asked.join(" ")}]; supports [${spoken.join(" ")}]`,
  );
}

function webSocketHeaders(request: IncomingMessage, protocol: string): Record<string, string> {
  const key = headerOf(request, "sec-websocket-key");
  if (headerOf(request, "sec-websocket-version") !== "13" || !/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw refusal(400, "unable to upgrade: a WebSocket must be of version 13 and have a key of 16 bytes", {
      "sec-websocket-version": "13",
    });
  }
  return {
    upgrade: "websocket",
    "sec-websocket-accept": acceptOf(key),
    ...(protocol !== "" && { "sec-websocket-protocol": protocol }),
  };
}
