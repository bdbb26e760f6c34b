/** Frames on their way out: gathered while the channel is busy, so that many small ones leave as one write. */
import { Code, ConnectError } from "@connectrpc/connect";
import type { FrameChannel } from "./channel.ts";
import { encodeFrames, type Frame, frameBytes, PAYLOAD_BYTES_MAX } from "./codec.ts";

/** Who has messages to send waits while more than this is queued. Heads, ends, credits and cancels never wait. */
const QUEUE_BYTES_HIGH = 1024 * 1024;
/** More than both directions of a connection can need. Whoever makes us queue so many and reads none is left. */
const QUEUE_FRAMES_MAX = 65_536;
/** Frames of more than this together leave in more than one write. */
const WRITE_BYTES_MAX = 1024 * 1024;

export class FrameSender {
  #queue: Frame[] = [];
  #queuedBytes = 0;
  #pumping: Promise<void> | undefined;
  #drained: PromiseWithResolvers<void> | undefined;
  #closed = false;

  /** @param onFailure told once, when the channel no longer takes frames */
  constructor(readonly channel: FrameChannel, readonly onFailure: (error: unknown) => void) {}

  /** @throws {ConnectError} ResourceExhausted, before the frame harms the connection */
  refuseTooLarge(frame: Frame): void {
    if (frame.payload.length <= PAYLOAD_BYTES_MAX) return;
    throw new ConnectError(
      `Cannot send message as it must have at most ${PAYLOAD_BYTES_MAX} bytes: it has ${frame.payload.length}`,
      Code.ResourceExhausted,
    );
  }

  /** Queues a frame that is not too large. Frames leave in the order of these calls. */
  send(frame: Frame): void {
    if (this.#closed) return;
    if (this.#queue.length >= QUEUE_FRAMES_MAX) {
      this.close();
      return this.onFailure(new Error(`Cannot queue frame as at most ${QUEUE_FRAMES_MAX} may wait: so many do`));
    }
    this.#queue.push(frame);
    this.#queuedBytes += frameBytes(frame);
    this.#pumping ??= this.#pump();
  }

  /** Resolves when there is room for one more message, or nothing is sent any more. */
  async room(): Promise<void> {
    while (!this.#closed && this.#queuedBytes > QUEUE_BYTES_HIGH) {
      await (this.#drained ??= Promise.withResolvers<void>()).promise;
    }
  }

  /** Resolves when everything queued so far has left, or never will. */
  async flushed(): Promise<void> {
    await this.#pumping;
  }

  /** Drops what is queued. */
  close(): void {
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#wake();
  }

  async #pump(): Promise<void> {
    try {
      // Whatever is queued in this turn of the event loop leaves together.
      await Promise.resolve();
      while (this.#queue.length > 0) await this.channel.send(encodeFrames(this.#take()));
    } catch (error) {
      this.close();
      this.onFailure(error);
    } finally {
      this.#pumping = undefined;
    }
  }

  #take(): Frame[] {
    let count = 0;
    let bytes = 0;
    while (count < this.#queue.length && (count === 0 || bytes + frameBytes(this.#queue[count]!) <= WRITE_BYTES_MAX)) {
      bytes += frameBytes(this.#queue[count++]!);
    }
    const taken = this.#queue.splice(0, count);
    this.#queuedBytes -= bytes;
    this.#wake();
    return taken;
  }

  #wake(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }
}
