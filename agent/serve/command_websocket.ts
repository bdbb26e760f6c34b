/**
 * Kubernetes's remote command protocol over a WebSocket, from the first version to the fifth (KEP-4006), whose clients
 * can say that a channel has ended.
 */
import { Budget, ByteQueue } from "./byte_queue.ts";
import { type CommandClient, formatStatus, LatestSize, SizeReader, type Status, type Wanted } from "./command.ts";
import type { Pipe } from "./pipe.ts";
import { Channels } from "./websocket/channels.ts";
import { WebSocketConnection } from "./websocket/connection.ts";

/** From the newest on. A client that names none speaks the first. */
export const COMMAND_SUBPROTOCOLS = [
  "v5.channel.k8s.io",
  "v4.channel.k8s.io",
  "v4.base64.channel.k8s.io",
  "channel.k8s.io",
  "base64.channel.k8s.io",
] as const;

const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** Input that waits for a slow process; more is not read. */
const INPUT_BYTES_MAX = 256 * 1024;

export async function serveCommandWebSocket(
  pipe: Pipe,
  protocol: string,
  wanted: Wanted,
  join: (client: CommandClient) => Promise<void>,
): Promise<void> {
  const socket = new WebSocketConnection(pipe);
  const client = new WebSocketCommand(socket, protocol, wanted);
  const reading = client.read();
  reading.catch(() => {}); // awaited below
  try {
    // An empty message tells the client that somebody is there.
    await client.greet();
    await join(client);
  } finally {
    await socket.close();
    await reading;
  }
}

class WebSocketCommand implements CommandClient {
  readonly sizes = new LatestSize();
  readonly stdin?: ByteQueue;
  readonly #budget = new Budget(INPUT_BYTES_MAX);
  readonly #socket: WebSocketConnection;
  readonly #channels: Channels;
  readonly #wanted: Wanted;
  readonly #isJson: boolean;
  readonly #canEnd: boolean;
  readonly #gone = Promise.withResolvers<void>();
  /** None once the client has sent something else. */
  #sizeReader: SizeReader | undefined = new SizeReader();

  constructor(socket: WebSocketConnection, protocol: string, wanted: Wanted) {
    this.#socket = socket;
    this.#channels = new Channels(socket, protocol);
    this.#wanted = wanted;
    this.#isJson = /^v[45]\./.test(protocol);
    this.#canEnd = protocol === COMMAND_SUBPROTOCOLS[0];
    if (wanted.stdin) this.stdin = new ByteQueue(this.#budget);
    socket.closed.then(() => this.#budget.release());
  }

  get gone(): Promise<void> {
    return this.#gone.promise;
  }

  async greet(): Promise<void> {
    const { stdout, stderr } = this.#wanted;
    await this.#channels.send(stdout ? Channel.stdout : stderr ? Channel.stderr : Channel.error, new Uint8Array());
  }

  /** Until the client is gone, or says goodbye. */
  async read(): Promise<void> {
    try {
      for await (const { channel, data } of this.#channels.messages()) {
        if (channel === Channel.stdin) this.stdin?.push(data);
        if (channel === Channel.resize) this.#resize(data);
        if (channel === Channel.close && this.#canEnd && data[0] === Channel.stdin) this.stdin?.end();
        await this.#budget.room();
      }
    } finally {
      this.stdin?.end();
      this.#gone.resolve();
    }
  }

  /** As the kubelet does: what is no size ends the sizes, and nothing else. */
  #resize(data: Uint8Array): void {
    try {
      for (const size of this.#sizeReader?.push(data) ?? []) this.sizes.put(size);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      this.#sizeReader = undefined;
      this.sizes.end();
    }
  }

  async write(stream: "stdout" | "stderr", data: Uint8Array): Promise<void> {
    if (this.#wanted[stream]) await this.#channels.send(Channel[stream], data);
  }

  async finish(status: Status): Promise<void> {
    const text = formatStatus(status, this.#isJson);
    if (text.length > 0) await this.#channels.send(Channel.error, text);
  }
}
