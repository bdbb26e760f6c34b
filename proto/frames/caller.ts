/** The calling side of a connection: calls that were opened here and what has come back for each. */
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { FrameEndSchema, FrameStartSchema } from "../mod.ts";
import { type Frame, FrameFormatError, FrameType } from "./codec.ts";
import { errorOf, OK, toRecord } from "./errors.ts";
import { CALLS_MAX, CREDIT_START, encodeCredit, type Side, TIMEOUT_MS_MAX } from "./limits.ts";
import type { FrameSender } from "./sender.ts";

export interface CallHead {
  /** Full name: `k3ts.v1.EchoService/Say`. */
  method: string;
  header: Headers;
  timeoutMs: number | undefined;
  signal: AbortSignal;
}

export class Caller {
  /** Includes calls that were cancelled until the callee has ended them, so that both sides count the same. */
  #calls = new Map<number, OutgoingCall>();
  #nextId: number;
  #gone: ConnectError | undefined;

  constructor(readonly sender: FrameSender, side: Side) {
    this.#nextId = side === "dialer" ? 1 : 2;
  }

  /** @throws {ConnectError} when the call cannot be made at all */
  async open(head: CallHead, request: Uint8Array): Promise<OutgoingCall> {
    await this.sender.room();
    head.signal.throwIfAborted();
    if (this.#gone !== undefined) throw this.#gone;
    if (this.#calls.size >= CALLS_MAX) {
      throw new ConnectError(
        `Cannot call ${head.method} as at most ${CALLS_MAX} calls may be open on a connection: so many are`,
        Code.ResourceExhausted,
      );
    }
    const id = this.#freeId();
    const start = create(FrameStartSchema, {
      method: head.method,
      timeoutMs: Math.min(Math.ceil(head.timeoutMs ?? 0), TIMEOUT_MS_MAX),
      metadata: toRecord(head.header),
    });
    const call = new OutgoingCall(id, this.sender, head.signal);
    const startFrame = { type: FrameType.start, callId: id, payload: toBinary(FrameStartSchema, start) };
    const messageFrame = { type: FrameType.message, callId: id, payload: request };
    this.sender.refuseTooLarge(startFrame);
    this.sender.refuseTooLarge(messageFrame);
    this.#calls.set(id, call);
    this.sender.send(startFrame);
    this.sender.send(messageFrame);
    call.watchSignal();
    return call;
  }

  /** Takes a message or an end. */
  receive(frame: Frame): void {
    const call = this.#calls.get(frame.callId);
    if (call === undefined) {
      throw new FrameFormatError(`Cannot take frame as call ${frame.callId} must be open: it is not`);
    }
    if (frame.type === FrameType.end) this.#calls.delete(frame.callId);
    call.receive(frame);
  }

  /** Ends every call with an error, and all that would follow. */
  fail(error: ConnectError): void {
    this.#gone ??= error;
    for (const call of this.#calls.values()) call.fail(error);
    this.#calls.clear();
  }

  /** Ids begin again after 2^31 calls; those of calls that are still open are passed over. */
  #freeId(): number {
    while (this.#calls.has(this.#nextId)) this.#advanceId();
    const id = this.#nextId;
    this.#advanceId();
    return id;
  }

  #advanceId(): void {
    this.#nextId += 2;
    if (this.#nextId > 0xffff_ffff) this.#nextId = this.#nextId % 2 === 1 ? 1 : 2;
  }
}

/** Messages of one call, as they are asked for. Holds at most as many as were granted. */
export class OutgoingCall {
  /** Complete once `next` has said that there are no more messages. */
  readonly trailers = new Headers();
  #messages: Uint8Array[] = [];
  #error: unknown;
  #ended = false;
  #cancelled = false;
  #credit = CREDIT_START;
  /** Messages taken since credit was last granted. */
  #taken = 0;
  #waiting: PromiseWithResolvers<void> | undefined;
  #onAbort = () => this.#cancel(this.signal.reason);

  constructor(readonly id: number, readonly sender: FrameSender, readonly signal: AbortSignal) {}

  watchSignal(): void {
    this.signal.addEventListener("abort", this.#onAbort);
  }

  /** The next message, or undefined after the last. @throws {ConnectError} what the callee ended with */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#messages.length === 0 && !this.#ended) {
      await (this.#waiting ??= Promise.withResolvers<void>()).promise;
    }
    const message = this.#messages.shift();
    if (message === undefined && this.#error !== undefined) throw this.#error;
    if (message !== undefined) this.#grant();
    return message;
  }

  receive({ type, payload }: Frame): void {
    if (type === FrameType.message) return this.#receiveMessage(payload);
    const end = fromBinary(FrameEndSchema, payload);
    // What cannot stand in a header is dropped rather than the whole connection with it.
    for (const [name, value] of Object.entries(end.trailers)) appendIfValid(this.trailers, name, value);
    end.trailers = toRecord(this.trailers);
    this.#end(end.code === OK ? undefined : errorOf(end));
  }

  fail(error: ConnectError): void {
    this.#end(error);
  }

  #receiveMessage(payload: Uint8Array): void {
    if (this.#credit-- <= 0) {
      throw new FrameFormatError(`Cannot take message of call ${this.id} as its sender must have credit: it has none`);
    }
    if (this.#cancelled) return;
    this.#messages.push(payload);
    this.#wake();
  }

  #grant(): void {
    if (++this.#taken < CREDIT_START / 2 || this.#ended) return;
    this.sender.send({ type: FrameType.credit, callId: this.id, payload: encodeCredit(this.#taken) });
    this.#credit += this.#taken;
    this.#taken = 0;
  }

  #cancel(reason: unknown): void {
    if (this.#ended) return;
    this.#cancelled = true;
    this.#messages = [];
    this.sender.send({ type: FrameType.cancel, callId: this.id, payload: new Uint8Array() });
    this.#end(ConnectError.from(reason, Code.Canceled));
  }

  #end(error: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.signal.removeEventListener("abort", this.#onAbort);
    this.#wake();
  }

  #wake(): void {
    this.#waiting?.resolve();
    this.#waiting = undefined;
  }
}

function appendIfValid(headers: Headers, name: string, value: string): void {
  try {
    headers.append(name, value);
  } catch {
    // A TypeError for characters that HTTP does not know.
  }
}
