/** A WebSocket (RFC 6455) over a connection that was upgraded, with the back-pressure that the browsers' lacks. */
import { createHash } from "node:crypto";
import { concatBytes } from "@k3ts/model/objects";
import type { Pipe } from "../pipe.ts";
import { formatFrame, FrameReader, MESSAGE_BYTES_MAX, Opcode, WebSocketError, type WebSocketFrame } from "./frames.ts";

/** RFC 6455, section 1.3. */
const ACCEPT_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/** Quiet for so long, a sign of life is sent: it shows whether the client is there. */
const PING_MS = 15_000;
/** How long the client may take for what was sent last, and for its goodbye. */
const FAREWELL_MS = 10_000;
/** What a frame of a message costs beside its bytes, so that many small ones are bounded too. */
const PART_BYTES = 64;

/** Of the answer to the key that a client sent. */
export function acceptOf(key: string): string {
  return createHash("sha1").update(key + ACCEPT_GUID).digest("base64");
}

export interface Message {
  isText: boolean;
  data: Uint8Array;
}

export class WebSocketConnection {
  readonly #pipe: Pipe;
  readonly #pingMs: number;
  #isClosing = false;
  /** The frames of a message that has not come whole. */
  #parts: Uint8Array[] = [];
  #partsOpcode: number = Opcode.continuation;
  #partsBytes = 0;

  constructor(pipe: Pipe, options: { pingMs?: number } = {}) {
    this.#pipe = pipe;
    this.#pingMs = options.pingMs ?? PING_MS;
  }

  /** Resolves when the connection is gone. */
  get closed(): Promise<void> {
    return this.#pipe.closed;
  }

  /** Messages of the client until it says goodbye or is gone. Ends the connection then. @throws {WebSocketError} */
  async *messages(): AsyncGenerator<Message, void, undefined> {
    const frames = new FrameReader();
    const ping = setInterval(
      () => this.#send(Opcode.ping).catch(() => this.#pipe.destroy()),
      this.#pingMs,
    );
    try {
      for (let data = await this.#pipe.read(); data !== null; data = await this.#pipe.read()) {
        for (const frame of frames.push(data)) {
          if (frame.opcode === Opcode.close) return await this.#answerClose(frame.payload);
          if (frame.opcode === Opcode.ping) await this.#send(Opcode.pong, frame.payload);
          if (frame.opcode >= Opcode.close) continue;
          const message = this.#join(frame);
          if (message !== undefined) yield message;
        }
      }
    } catch (error) {
      if (error instanceof WebSocketError) await this.close(error.code, error.message);
      throw error;
    } finally {
      clearInterval(ping);
      this.#pipe.end();
      this.#destroySoon();
    }
  }

  sendBinary(...parts: Uint8Array[]): Promise<void> {
    return this.#send(Opcode.binary, ...parts);
  }

  sendText(text: string): Promise<void> {
    return this.#send(Opcode.text, new TextEncoder().encode(text));
  }

  /** Says goodbye, once, after all that was sent. */
  async close(code = 1000, reason = ""): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    const head = new Uint8Array([code >> 8, code & 0xff]);
    const text = new TextEncoder().encode(reason).subarray(0, 120);
    await this.#pipe.write(formatFrame(Opcode.close, head, text)).catch(() => {}); // it may be gone by now
    this.#destroySoon();
  }

  /** Without a goodbye. */
  destroy(): void {
    this.#pipe.destroy();
  }

  async #answerClose(payload: Uint8Array): Promise<void> {
    // A code that must not be sent is answered by the ordinary one.
    const code = payload.length >= 2 ? payload[0]! << 8 | payload[1]! : 1000;
    await this.close(code >= 1000 && code < 5000 && code !== 1005 && code !== 1006 ? code : 1000);
  }

  async #send(opcode: number, ...parts: Uint8Array[]): Promise<void> {
    if (!this.#isClosing) await this.#pipe.write(formatFrame(opcode, ...parts));
  }

  #join({ opcode, fin, payload }: WebSocketFrame): Message | undefined {
    const isFirst = this.#partsOpcode === Opcode.continuation;
    if (isFirst === (opcode === Opcode.continuation)) {
      throw new WebSocketError(1002, "the frames of a message must not be mixed with another's");
    }
    if (isFirst) this.#partsOpcode = opcode;
    this.#partsBytes += payload.length + PART_BYTES;
    if (this.#partsBytes > MESSAGE_BYTES_MAX + PART_BYTES) {
      throw new WebSocketError(1009, `a message must have at most ${MESSAGE_BYTES_MAX} bytes`);
    }
    this.#parts.push(payload);
    if (!fin) return undefined;
    const message = { isText: this.#partsOpcode === Opcode.text, data: concatBytes(this.#parts) };
    this.#parts = [];
    this.#partsBytes = 0;
    this.#partsOpcode = Opcode.continuation;
    return message;
  }

  #destroySoon(): void {
    const late = setTimeout(() => this.#pipe.destroy(), FAREWELL_MS);
    this.#pipe.closed.then(() => clearTimeout(late));
  }
}

/** The bytes of a connection that travels in messages: SPDY's, for port-forward (KEP-4006). */
export class TunnelPipe implements Pipe {
  readonly #socket: WebSocketConnection;
  readonly #messages: AsyncGenerator<Message, void, undefined>;

  constructor(socket: WebSocketConnection) {
    this.#socket = socket;
    this.#messages = socket.messages();
  }

  get closed(): Promise<void> {
    return this.#socket.closed;
  }

  async read(): Promise<Uint8Array | null> {
    const next = await this.#messages.next();
    if (next.done) return null;
    if (next.value.isText) throw new WebSocketError(1002, "a tunnel carries binary messages");
    return next.value.data;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#socket.sendBinary(data);
  }

  end(): void {
    this.#socket.close();
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
