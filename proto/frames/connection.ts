/** One connection that both sides may use to call each other. */
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { Callee } from "./callee.ts";
import { Caller } from "./caller.ts";
import type { FrameChannel } from "./channel.ts";
import { type Frame, FrameDecoder, FrameFormatError, FrameType } from "./codec.ts";
import { isCallOf, type Side } from "./limits.ts";
import { collectRoutes, type Routes } from "./router.ts";
import { FrameSender } from "./sender.ts";
import { type FrameTransportOptions, transportOver } from "./transport.ts";

export interface FrameConnectionOptions extends FrameTransportOptions {
  /** Exactly one end of a channel is the dialer. */
  side: Side;
  /** What the peer may call. @default nothing */
  routes?: Routes;
  /** Closes the connection. */
  signal?: AbortSignal;
}

export interface FrameConnection extends AsyncDisposable {
  /** Calls the peer: unary and server streaming. */
  readonly transport: Transport;
  /** Resolves with the reason once the connection has ended, from whichever side. Never rejects. */
  readonly closed: Promise<ConnectError>;
  /**
   * Ends the connection. Calls that are open fail with Unavailable here, and are aborted where they run; ends that are
   * on their way are given a second to leave.
   */
  close(): Promise<void>;
}

/** How long what is queued may take to leave when a connection is closed. */
const FLUSH_MS_MAX = 1000;

/** Speaks frames over a channel, which belongs to the connection from then on. */
export function connectFrames(channel: FrameChannel, options: FrameConnectionOptions): FrameConnection {
  return new Connection(channel, options);
}

/** A transport for one who only calls. The connection lives as long as the channel does. */
export function createFrameTransport(channel: FrameChannel, options: FrameTransportOptions = {}): Transport {
  return connectFrames(channel, { ...options, side: "dialer" }).transport;
}

/** Answers calls until the peer has gone or the signal fires. Resolves with the reason. */
export function serveFrames(
  channel: FrameChannel,
  routes: Routes,
  options: { signal?: AbortSignal } = {},
): Promise<ConnectError> {
  return connectFrames(channel, { ...options, side: "listener", routes }).closed;
}

class Connection implements FrameConnection {
  readonly transport: Transport;
  readonly closed: Promise<ConnectError>;
  #sender: FrameSender;
  #caller: Caller;
  #callee: Callee;
  #reason: ConnectError | undefined;
  #closing: Promise<void> | undefined;

  constructor(readonly channel: FrameChannel, readonly options: FrameConnectionOptions) {
    this.#sender = new FrameSender(channel, (error) => this.#fail(unavailable("the peer takes nothing more", error)));
    this.#caller = new Caller(this.#sender, options.side);
    this.#callee = new Callee(this.#sender, options.routes ? collectRoutes(options.routes) : new Map());
    this.transport = transportOver(this.#caller, options);
    const onAbort = () => void this.close();
    options.signal?.addEventListener("abort", onAbort, { once: true });
    this.closed = this.#receive().finally(() => options.signal?.removeEventListener("abort", onAbort));
    if (options.signal?.aborted) onAbort();
  }

  close(): Promise<void> {
    this.#fail(unavailable("the connection was closed"));
    return this.#closing!;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #shutDown(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tooLate = new Promise<void>((resolve) => timer = setTimeout(resolve, FLUSH_MS_MAX));
    await Promise.race([this.#sender.flushed(), tooLate]);
    clearTimeout(timer);
    this.#sender.close();
    await this.channel.close();
    await this.closed;
  }

  async #receive(): Promise<ConnectError> {
    const decoder = new FrameDecoder();
    try {
      for await (const piece of this.channel.received) {
        for (const frame of decoder.push(piece)) this.#dispatch(frame);
      }
      decoder.end();
      this.#fail(unavailable("the peer has closed the connection"));
    } catch (error) {
      this.#fail(unavailable("the connection broke", error));
    }
    return this.#reason!;
  }

  #dispatch(frame: Frame): void {
    // After the end of the connection only the rest of a piece can come here, and nobody waits for it.
    if (this.#reason !== undefined) return;
    const isOurs = isCallOf(this.options.side, frame.callId);
    if (isOurs && (frame.type === FrameType.message || frame.type === FrameType.end)) this.#caller.receive(frame);
    else if (!isOurs && frame.type !== FrameType.end) this.#callee.receive(frame);
    else {throw new FrameFormatError(
        `Cannot take frame of type ${frame.type} as it is for the other side of call ${frame.callId}`,
      );}
  }

  #fail(reason: ConnectError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#caller.fail(reason);
    this.#callee.fail(reason);
    this.#closing = this.#shutDown();
  }
}

function unavailable(message: string, cause?: unknown): ConnectError {
  return new ConnectError(message, Code.Unavailable, undefined, undefined, cause);
}
