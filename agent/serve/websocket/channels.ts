/** Several channels in one WebSocket: each message begins with the number of its channel (k8s.io, `channel.k8s.io`). */
import { Buffer } from "node:buffer";
import type { Message, WebSocketConnection } from "./connection.ts";
import { WebSocketError } from "./frames.ts";

const ZERO = 0x30;

export interface ChannelMessage {
  channel: number;
  data: Uint8Array;
}

/** Writes and reads as the subprotocol says: bytes, or a digit and base64. */
export class Channels {
  readonly #socket: WebSocketConnection;
  readonly #isBase64: boolean;

  constructor(socket: WebSocketConnection, protocol: string) {
    this.#socket = socket;
    this.#isBase64 = /(^|\.)base64\.channel\.k8s\.io$/.test(protocol);
  }

  /** Resolves once the client keeps up. @throws when it is gone */
  send(channel: number, data: Uint8Array): Promise<void> {
    if (!this.#isBase64) return this.#socket.sendBinary(new Uint8Array([channel]), data);
    return this.#socket.sendText(String(channel) + Buffer.from(data).toString("base64"));
  }

  /** What the client sends, until it is gone. */
  async *messages(): AsyncGenerator<ChannelMessage, void, undefined> {
    for await (const message of this.#socket.messages()) {
      if (message.data.length > 0) yield this.#parse(message);
    }
  }

  #parse({ data }: Message): ChannelMessage {
    const [first, rest] = [data[0]!, data.subarray(1)];
    if (!this.#isBase64) return { channel: first, data: rest };
    const text = Buffer.from(rest).toString();
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text)) throw new WebSocketError(1007, "a message must be base64");
    return { channel: first - ZERO, data: Buffer.from(text, "base64") };
  }
}
