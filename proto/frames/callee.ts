/** The answering side of a connection: calls that the peer has opened and the implementations that run for them. */
import { create, fromBinary, type Message, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createHandlerContext } from "@connectrpc/connect";
import {
  createAsyncIterable,
  invokeUnaryImplementation,
  transformInvokeImplementation,
} from "@connectrpc/connect/protocol";
import { type FrameEnd, FrameEndSchema, type FrameStart, FrameStartSchema } from "../mod.ts";
import { type Frame, FrameFormatError, FrameType, PAYLOAD_BYTES_MAX } from "./codec.ts";
import { endOf, OK, toRecord } from "./errors.ts";
import { CALLS_MAX, CREDIT_START, decodeCredit } from "./limits.ts";
import type { Route } from "./router.ts";
import type { FrameSender } from "./sender.ts";

export class Callee {
  /** Calls that have not been ended. */
  #calls = new Map<number, IncomingCall>();
  /** Also those that were ended, by a cancel or a deadline, while their implementation has not returned. */
  #running = 0;

  constructor(readonly sender: FrameSender, readonly routes: Map<string, Route>) {}

  /** Takes a start, message, credit or cancel. What is for a call that was already ended is passed over. */
  receive(frame: Frame): void {
    if (frame.type === FrameType.start) return this.#start(frame);
    const call = this.#calls.get(frame.callId);
    if (frame.type === FrameType.message) call?.receiveMessage(frame.payload);
    else if (frame.type === FrameType.credit) call?.receiveCredit(decodeCredit(frame.payload));
    else call?.abort(new ConnectError("the caller has cancelled the call", Code.Canceled));
  }

  /** Aborts every call: the connection has ended, or is about to. */
  fail(error: ConnectError): void {
    for (const call of [...this.#calls.values()]) call.abort(error);
  }

  #start({ callId, payload }: Frame): void {
    if (this.#calls.has(callId)) {
      throw new FrameFormatError(`Cannot start call ${callId} as its id must be free: a call of that id is open`);
    }
    const start = fromBinary(FrameStartSchema, payload);
    try {
      const route = this.#route(start);
      const call = new IncomingCall(callId, start, route, this.sender, () => this.#calls.delete(callId));
      this.#calls.set(callId, call);
      this.#running++;
      call.finished.then(() => this.#running--);
    } catch (error) {
      sendEnd(this.sender, callId, endOf(error, new Headers()));
    }
  }

  #route({ method }: FrameStart): Route {
    if (this.#running >= CALLS_MAX) {
      throw new ConnectError(
        `Cannot answer ${method} as at most ${CALLS_MAX} calls may run on a connection: so many do`,
        Code.ResourceExhausted,
      );
    }
    const route = this.routes.get(method);
    if (route === undefined) throw new ConnectError(`${method} is not implemented here`, Code.Unimplemented);
    if (route.spec.kind === "client_streaming" || route.spec.kind === "bidi_streaming") {
      throw new ConnectError(`${method} streams from the client, which frames do not carry`, Code.Unimplemented);
    }
    return route;
  }
}

class IncomingCall {
  /** Resolves when the implementation has returned. */
  readonly finished: Promise<void>;
  #request = Promise.withResolvers<Uint8Array>();
  #requested = false;
  #cancel = new AbortController();
  #context: ReturnType<typeof createHandlerContext>;
  #credit = CREDIT_START;
  #creditCame: PromiseWithResolvers<void> | undefined;
  #ended = false;

  constructor(
    readonly id: number,
    start: FrameStart,
    readonly route: Route,
    readonly sender: FrameSender,
    readonly onEnd: () => void,
  ) {
    this.#context = createHandlerContext({
      service: route.service,
      method: route.spec.method,
      protocolName: "frames",
      requestMethod: "POST",
      url: `/${start.method}`,
      requestHeader: headersOf(start),
      ...(start.timeoutMs > 0 && { timeoutMs: start.timeoutMs }),
      requestSignal: this.#cancel.signal,
    });
    // A deadline or a cancel is answered at once, however long the implementation takes to notice.
    this.#context.signal.addEventListener("abort", () => {
      if (!this.#ended) this.#endWith(this.#context.signal.reason);
    });
    this.finished = this.#run();
  }

  receiveMessage(payload: Uint8Array): void {
    if (this.#requested) return this.abort(new ConnectError("a call takes exactly one message", Code.InvalidArgument));
    this.#requested = true;
    this.#request.resolve(payload);
  }

  receiveCredit(messages: number): void {
    this.#credit += messages;
    this.#creditCame?.resolve();
    this.#creditCame = undefined;
  }

  abort(reason: ConnectError): void {
    this.#cancel.abort(reason);
  }

  async #run(): Promise<void> {
    try {
      const payload = await this.#request.promise;
      await this.route.gate?.(this.#context);
      if (this.#ended) return;
      if (this.route.spec.kind === "unary") await this.#runUnary(this.#decode(payload));
      else await this.#runStream(this.#decode(payload));
      this.#end(create(FrameEndSchema, { code: OK, trailers: toRecord(this.#trailers()) }));
    } catch (error) {
      this.#endWith(error);
    }
  }

  async #runUnary(request: Message): Promise<void> {
    const { spec, interceptors } = this.route;
    if (spec.kind !== "unary") return;
    this.#sendMessage(await invokeUnaryImplementation(spec, this.#context, request, interceptors));
  }

  async #runStream(request: Message): Promise<void> {
    const invoke = transformInvokeImplementation(this.route.spec, this.#context, this.route.interceptors);
    const messages = invoke(createAsyncIterable([request]))[Symbol.asyncIterator]();
    try {
      while (await this.#mayGoOn()) {
        const next = await messages.next();
        if (next.done) return;
        this.#sendMessage(next.value);
      }
    } finally {
      await messages.return?.();
    }
  }

  /** Waits for credit and for room, so that the implementation makes no message that cannot leave. */
  async #mayGoOn(): Promise<boolean> {
    while (this.#credit === 0 && !this.#ended) {
      await (this.#creditCame ??= Promise.withResolvers<void>()).promise;
    }
    await this.sender.room();
    this.#credit--;
    return !this.#ended;
  }

  #decode(payload: Uint8Array): Message {
    try {
      return fromBinary(this.route.spec.method.input, payload);
    } catch (error) {
      throw ConnectError.from(error, Code.InvalidArgument);
    }
  }

  #sendMessage(message: Message): void {
    if (this.#ended) return;
    const payload = toBinary(this.route.spec.method.output, message);
    const frame = { type: FrameType.message, callId: this.id, payload };
    this.sender.refuseTooLarge(frame);
    this.sender.send(frame);
  }

  #endWith(error: unknown): void {
    this.#end(endOf(error, this.#trailers()));
  }

  /** There is no head of a response in frames: what would stand there comes with the trailers. */
  #trailers(): Headers {
    const trailers = new Headers(this.#context.responseHeader);
    for (const [name, value] of this.#context.responseTrailer) trailers.append(name, value);
    return trailers;
  }

  #end(end: FrameEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    sendEnd(this.sender, this.id, end);
    this.onEnd();
    // Wakes the implementation, if it waits for anything.
    this.#request.resolve(new Uint8Array());
    this.receiveCredit(0);
    this.#context.abort(new ConnectError("the call has ended", Code.Canceled));
  }
}

function headersOf({ metadata }: FrameStart): Headers {
  try {
    return new Headers(metadata);
  } catch (error) {
    throw ConnectError.from(error, Code.InvalidArgument);
  }
}

function sendEnd(sender: FrameSender, callId: number, end: FrameEnd): void {
  let payload = toBinary(FrameEndSchema, end);
  if (payload.length > PAYLOAD_BYTES_MAX) {
    const error = new ConnectError(`the end of the call has ${payload.length} bytes: too many`, Code.ResourceExhausted);
    payload = toBinary(FrameEndSchema, endOf(error, new Headers()));
  }
  sender.send({ type: FrameType.end, callId, payload });
}
