/** `k3ts port-forward`: ports of this machine that lead into a pod. */
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import { ApiError, isNotFound } from "@k3ts/client";
import { type Pod, resources, type Service } from "@k3ts/model";
import { StreamService } from "@k3ts/proto";
import { type ClusterOptions, interruption, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { Problem } from "../problem.ts";
import { type ForwardedPort, parseAddresses, parsePorts, podPort } from "./forwarded_ports.ts";
import { headersOf, podName } from "./pod_target.ts";

interface PortForwardOptions extends ClusterOptions {
  address: string;
}

export function registerPortForward(program: Command): void {
  namespaceOptions(program.command("port-forward <pod> <ports...>"))
    .description("lead ports of this machine into a pod: k3ts port-forward svc/web 8080:80")
    .option("--address <addresses>", "where to listen, separated by commas", "localhost")
    .action((word: string, ports: string[], options: PortForwardOptions) =>
      withCluster(options, (connection, namespace) => portForward(word, ports, options, connection, namespace))
    );
}

const BUFFER_BYTES = 64 * 1024;

async function portForward(
  word: string,
  words: string[],
  { address }: PortForwardOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  const asked = parsePorts(words);
  const addresses = parseAddresses(address);
  const name = await podName(word, connection, namespace);
  const pod = await connection.clients.of<Pod>(resources.pods).get(name, { namespace });
  if (pod.status?.phase !== "Running") {
    throw new Problem(
      `Pod ${name} must be running: it is ${pod.status?.phase ?? "Pending"}.`,
      `See why with: k3ts describe pod/${name}`,
    );
  }
  const service = /^(svc|services?)\//i.test(word)
    ? await connection.clients.of<Service>(resources.services).get(word.slice(word.indexOf("/") + 1), { namespace })
    : undefined;
  const ports = asked.map(({ local, remote }) => podPort(local, remote, pod, service));
  const failed = new AbortController();
  const signal = AbortSignal.any([interruption(), failed.signal]);
  const forwarder = new Forwarder(connection, headersOf(namespace, name), (error) => failed.abort(error), signal);
  const listeners = ports.flatMap((port) => listenOn(addresses, port));
  for (const { listener, port } of listeners) {
    const { hostname, port: local } = listener.addr as Deno.NetAddr;
    console.log(`Forwarding from ${hostname.includes(":") ? `[${hostname}]` : hostname}:${local} -> ${port.remote}`);
  }
  signal.addEventListener("abort", () => listeners.forEach(({ listener }) => listener.close()));
  await Promise.all(listeners.map(({ listener, port }) => forwarder.accept(listener, port)));
  if (failed.signal.aborted) throw failed.signal.reason;
}

interface Listening {
  listener: Deno.TcpListener;
  port: ForwardedPort;
}

/** At one port on all of the addresses. */
function listenOn(addresses: readonly string[], port: ForwardedPort): Listening[] {
  const listening: Listening[] = [];
  let local = port.local;
  for (const hostname of addresses) {
    try {
      const listener = Deno.listen({ hostname, port: local });
      // The kernel's choice for the first holds for all.
      local = (listener.addr as Deno.NetAddr).port;
      listening.push({ listener, port });
    } catch (cause) {
      // A machine without IPv6 has one localhost only.
      if (listening.length > 0 && hostname === "::1") continue;
      throw new Problem(
        `Cannot listen on ${hostname}:${local}: ${cause instanceof Error ? cause.message : cause}.`,
        undefined,
        { cause },
      );
    }
  }
  return listening;
}

class Forwarder {
  readonly #connection: Connection;
  readonly #headers: Record<string, string>;
  readonly #onGone: (error: unknown) => void;
  readonly #signal: AbortSignal;

  /** @param onGone told when there is no pod to lead to any more */
  constructor(
    connection: Connection,
    headers: Record<string, string>,
    onGone: (error: unknown) => void,
    signal: AbortSignal,
  ) {
    this.#connection = connection;
    this.#headers = headers;
    this.#onGone = onGone;
    this.#signal = signal;
  }

  /** Until the listener closes. */
  async accept(listener: Deno.TcpListener, port: ForwardedPort): Promise<void> {
    try {
      for await (const client of listener) {
        const { port: local } = listener.addr as Deno.NetAddr;
        console.log(`Handling connection for ${local}`);
        this.#join(client, port).catch((error) => {
          if (this.#signal.aborted) return;
          const known = ApiError.from(error);
          console.error(`An error occurred forwarding ${local} -> ${port.remote}: ${(known as Error).message}`);
          if (isNotFound(known)) this.#onGone(known);
        });
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    }
  }

  async #join(client: Deno.TcpConn, { remote }: ForwardedPort): Promise<void> {
    using open = new Closing(client);
    client.setNoDelay();
    const { portForward } = createClient(StreamService, this.#connection.transport);
    for await (
      const { message } of portForward(requests(client, remote), { headers: this.#headers, signal: this.#signal })
    ) {
      if (message.case === "data") {
        for (let at = 0; at < message.value.length;) at += await client.write(message.value.subarray(at));
      }
      if (message.case === "end") await client.closeWrite();
    }
    open.close();
  }
}

/** A connection that may be closed more than once. */
class Closing implements Disposable {
  readonly #connection: Deno.Conn;
  #isClosed = false;

  constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function* requests(client: Deno.Conn, port: number) {
  yield { message: { case: "port" as const, value: port } };
  for (;;) {
    const buffer = new Uint8Array(BUFFER_BYTES);
    // Closed here, as the pod has ended its side: nothing more is to be said.
    const read = await client.read(buffer).catch(() => null);
    if (read === null) break;
    yield { message: { case: "data" as const, value: buffer.subarray(0, read) } };
  }
  yield { message: { case: "end" as const, value: true } };
}
