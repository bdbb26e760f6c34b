/**
 * A connection of SPDY/3.1 (SPDY Protocol, draft 3.1) on which the other side opens streams. As Kubernetes's own ends of
 * it do, it sends without regard to the other side's windows, which nobody opens; what it receives is bounded by not
 * reading on.
 */
import { concatBytes } from "@k3ts/model/objects";
import { Budget, ByteQueue } from "../byte_queue.ts";
import type { Pipe } from "../pipe.ts";
import {
  controlFrame,
  dataFrame,
  FLAG_FIN,
  type Frame,
  FrameReader,
  FrameType,
  numbersFrame,
  ResetStatus,
  SpdyError,
  uint32At,
  uint32s,
} from "./frames.ts";
import { HeaderReader, HeaderWriter } from "./headers.ts";

/** Open at once. */
const STREAMS_MAX = 2048;
/** Received, and not yet taken, of all streams. */
const WAITING_BYTES_MAX = 1024 * 1024;
const DATA_BYTES_MAX = 64 * 1024;
/** Quiet for so long, a sign of life is sent: it shows whether the other side is there. */
const PING_MS = 15_000;
/** How long the other side may take for what was sent last. */
const FAREWELL_MS = 10_000;

export interface SpdyStream {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  /** null when the other side sends no more on it. */
  read(): Promise<Uint8Array | null>;
  /** Resolves once the other side keeps up. Does nothing when the stream is over. @throws when the connection is gone */
  write(data: Uint8Array): Promise<void>;
  /** No more is sent on it. */
  end(): Promise<void>;
  /** Ends both directions at once. */
  reset(): Promise<void>;
  /** Fires when the other side has reset it, or is gone. */
  readonly over: AbortSignal;
}

export interface SpdyOptions {
  /** Told of every new stream. Throws to refuse it. */
  onStream(stream: SpdyStream): void;
  /** @default 15 s */
  pingMs?: number;
}

export class SpdyConnection {
  readonly #pipe: Pipe;
  readonly #options: SpdyOptions;
  readonly #streams = new Map<number, Stream>();
  readonly #budget = new Budget(WAITING_BYTES_MAX);
  readonly #headers = new HeaderWriter();
  #lastId = 0;
  #pingId = 2;
  #isOver = false;
  #isClosing = false;

  constructor(pipe: Pipe, options: SpdyOptions) {
    this.#pipe = pipe;
    this.#options = options;
  }

  /** Until the other side has gone or {@linkcode close} was called. @throws {SpdyError} when it broke the protocol */
  async run(): Promise<void> {
    using headers = new HeaderReader();
    const frames = new FrameReader();
    const ping = setInterval(() => this.#ping(), this.#options.pingMs ?? PING_MS);
    // Who waits for room, with nobody left to make some, must hear of the end too.
    this.#pipe.closed.then(() => this.#finish());
    try {
      for (let data = await this.#pipe.read(); data !== null; data = await this.#pipe.read()) {
        for (const frame of frames.push(data)) await this.#receive(frame, headers);
        await this.#budget.room();
        if (this.#isOver) return;
      }
    } catch (error) {
      if (!(error instanceof SpdyError)) {
        if (this.#isOver) return;
        throw error;
      }
      await this.send(numbersFrame(FrameType.goAway, this.#lastId, 1)).catch(() => {}); // it may be gone by now
      throw error;
    } finally {
      clearInterval(ping);
      this.#finish();
      // What was sent last goes out, though not for ever.
      this.#pipe.end();
      const late = setTimeout(() => this.#pipe.destroy(), this.#isClosing ? FAREWELL_MS : 0);
      this.#pipe.closed.then(() => clearTimeout(late));
      this.#headers[Symbol.dispose]();
    }
  }

  /** Says goodbye. What was written before still goes out; then the other side is to end the connection. */
  async close(): Promise<void> {
    if (this.#isClosing || this.#isOver) return;
    this.#isClosing = true;
    await this.send(numbersFrame(FrameType.goAway, this.#lastId, 0)).catch(() => {}); // it may be gone by now
    this.#pipe.end();
    const late = setTimeout(() => this.#pipe.destroy(), FAREWELL_MS);
    this.#pipe.closed.then(() => clearTimeout(late));
  }

  get budget(): Budget {
    return this.#budget;
  }

  forget(id: number): void {
    this.#streams.delete(id);
  }

  send(frame: Uint8Array): Promise<void> {
    return this.#pipe.write(frame);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const stream of this.#streams.values()) stream.onGone();
    this.#streams.clear();
    this.#budget.release();
  }

  #ping(): void {
    this.#pingId = this.#pingId >= 0x7ffffffe ? 2 : this.#pingId + 2;
    this.send(numbersFrame(FrameType.ping, this.#pingId)).catch(() => this.#pipe.destroy());
  }

  async #receive(frame: Frame, headers: HeaderReader): Promise<void> {
    if (frame.kind === "data") {
      if (frame.id > this.#lastId || frame.id === 0) {
        throw new SpdyError(`Cannot take data as its stream must have been opened: ${frame.id} was not`);
      }
      // What comes for one that is over was under way.
      this.#streams.get(frame.id)?.onData(frame.data, frame.fin);
      return;
    }
    const { type, flags, payload } = frame;
    switch (type) {
      case FrameType.synStream:
        return await this.#open(payload, flags, headers);
      case FrameType.headers: {
        const id = uint32At(payload, 0) & 0x7fffffff;
        // Not wanted, but the blocks that follow cannot be read without it.
        await headers.read(payload.subarray(4));
        if ((flags & FLAG_FIN) !== 0) this.#streams.get(id)?.onData(new Uint8Array(), true);
        return;
      }
      case FrameType.synReply:
        throw new SpdyError("Cannot take a reply as a stream must have been opened by us: none is");
      case FrameType.rstStream:
        return this.#streams.get(uint32At(payload, 0) & 0x7fffffff)?.onReset();
      case FrameType.ping: {
        const id = uint32At(payload, 0);
        // An even one is the answer to ours.
        return id % 2 === 1 ? await this.send(numbersFrame(FrameType.ping, id)) : undefined;
      }
        // SETTINGS, GOAWAY and WINDOW_UPDATE change nothing for us; what is unknown must be ignored (section 2.2.1).
    }
  }

  async #open(payload: Uint8Array, flags: number, reader: HeaderReader): Promise<void> {
    const id = uint32At(payload, 0) & 0x7fffffff;
    // Stream, associated stream, priority and slot.
    const headers = await reader.read(payload.subarray(10));
    if (id % 2 === 0 || id <= this.#lastId) {
      throw new SpdyError(
        `Cannot open a stream as its number must be odd and more than ${this.#lastId}: it is ${id}`,
      );
    }
    this.#lastId = id;
    if (this.#streams.size >= STREAMS_MAX || this.#isClosing) {
      return await this.send(numbersFrame(FrameType.rstStream, id, ResetStatus.refusedStream));
    }
    const stream = new Stream(id, headers, this);
    this.#streams.set(id, stream);
    try {
      this.#options.onStream(stream);
    } catch (error) {
      if (!(error instanceof SpdyError)) throw error;
      return await stream.reset();
    }
    const reply = concatBytes([uint32s(id), await this.#headers.write(new Map())]);
    await this.send(controlFrame(FrameType.synReply, reply));
    stream.onReplied();
    if ((flags & FLAG_FIN) !== 0) stream.onData(new Uint8Array(), true);
  }
}

class Stream implements SpdyStream {
  readonly #connection: SpdyConnection;
  readonly #received: ByteQueue;
  readonly #over = new AbortController();
  /** The other side drops what comes before the reply. */
  readonly #replied = Promise.withResolvers<void>();
  #hasEnded = false;
  #hasTheirEnd = false;

  constructor(readonly id: number, readonly headers: ReadonlyMap<string, string>, connection: SpdyConnection) {
    this.#connection = connection;
    this.#received = new ByteQueue(connection.budget);
  }

  get over(): AbortSignal {
    return this.#over.signal;
  }

  read(): Promise<Uint8Array | null> {
    return this.#received.read();
  }

  async write(data: Uint8Array): Promise<void> {
    await this.#replied.promise;
    for (let at = 0; at < data.length && !this.#hasEnded; at += DATA_BYTES_MAX) {
      await this.#connection.send(dataFrame(this.id, data.subarray(at, at + DATA_BYTES_MAX)));
    }
  }

  async end(): Promise<void> {
    await this.#replied.promise;
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    await this.#connection.send(dataFrame(this.id, new Uint8Array(), true));
    this.#forgetWhenDone();
  }

  async reset(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.onGone();
    await this.#connection.send(numbersFrame(FrameType.rstStream, this.id, ResetStatus.cancel));
  }

  onReplied(): void {
    this.#replied.resolve();
  }

  onData(data: Uint8Array, fin: boolean): void {
    this.#received.push(data);
    if (!fin) return;
    this.#hasTheirEnd = true;
    this.#received.end();
    this.#forgetWhenDone();
  }

  onReset(): void {
    this.onGone();
  }

  onGone(): void {
    this.#hasEnded = true;
    this.#hasTheirEnd = true;
    this.#replied.resolve();
    this.#received.discard();
    this.#over.abort(new Error("the stream has ended"));
    this.#forgetWhenDone();
  }

  #forgetWhenDone(): void {
    if (this.#hasEnded && this.#hasTheirEnd) this.#connection.forget(this.id);
  }
}
