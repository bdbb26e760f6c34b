/** Connect's view of a connection: what a generated client calls through. */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import type {
  Interceptor,
  StreamRequest,
  StreamResponse,
  Transport,
  UnaryRequest,
  UnaryResponse,
} from "@connectrpc/connect";
import { Code, ConnectError, createContextValues } from "@connectrpc/connect";
import { createMethodUrl, runStreamingCall, runUnaryCall } from "@connectrpc/connect/protocol";
import type { Caller, OutgoingCall } from "./caller.ts";
import { methodName } from "./router.ts";

export interface FrameTransportOptions {
  interceptors?: Interceptor[];
  /** For calls that name no deadline of their own. @default none */
  defaultTimeoutMs?: number;
}

export function transportOver(caller: Caller, options: FrameTransportOptions): Transport {
  const deadline = (timeoutMs: number | undefined) => {
    const wanted = timeoutMs ?? options.defaultTimeoutMs;
    return wanted !== undefined && wanted > 0 ? wanted : undefined;
  };
  return {
    unary(method, signal, timeoutMs, header, message, contextValues) {
      const timeout = deadline(timeoutMs);
      return runUnaryCall({
        ...options,
        signal,
        timeoutMs: timeout,
        req: {
          stream: false,
          service: method.parent,
          method,
          requestMethod: "POST",
          url: createMethodUrl("", method),
          header: new Headers(header),
          contextValues: contextValues ?? createContextValues(),
          message,
        },
        next: (request) => callUnary(caller, request, timeout),
      });
    },
    stream(method, signal, timeoutMs, header, message, contextValues) {
      const timeout = deadline(timeoutMs);
      return runStreamingCall({
        ...options,
        signal,
        timeoutMs: timeout,
        req: {
          stream: true,
          service: method.parent,
          method,
          requestMethod: "POST",
          url: createMethodUrl("", method),
          header: new Headers(header),
          contextValues: contextValues ?? createContextValues(),
          message,
        },
        next: (request) => callStream(caller, request, timeout),
      });
    },
  };
}

async function callUnary<I extends DescMessage, O extends DescMessage>(
  caller: Caller,
  request: UnaryRequest<I, O>,
  timeoutMs: number | undefined,
): Promise<UnaryResponse<I, O>> {
  const { method, header, signal, service } = request;
  const head = { method: methodName(method), header, timeoutMs, signal };
  const call = await caller.open(head, toBinary(method.input, request.message));
  const message = await call.next();
  const second = message === undefined ? undefined : await call.next();
  if (message === undefined || second !== undefined) {
    throw new ConnectError(`${head.method} must answer with exactly one message`, Code.Internal);
  }
  return {
    stream: false,
    service,
    method,
    header: new Headers(call.trailers),
    trailer: call.trailers,
    message: decode(method.output, message),
  };
}

async function callStream<I extends DescMessage, O extends DescMessage>(
  caller: Caller,
  request: StreamRequest<I, O>,
  timeoutMs: number | undefined,
): Promise<StreamResponse<I, O>> {
  const { method, header, signal, service } = request;
  const head = { method: methodName(method), header, timeoutMs, signal };
  if (method.methodKind !== "server_streaming") {
    throw new ConnectError(`${head.method} streams from the client, which frames do not carry`, Code.Unimplemented);
  }
  const call = await caller.open(head, toBinary(method.input, await only(request.message)));
  return {
    stream: true,
    service,
    method,
    header: new Headers(),
    trailer: call.trailers,
    message: decodeAll(call, method.output),
  };
}

async function* decodeAll<O extends DescMessage>(call: OutgoingCall, output: O): AsyncGenerator<MessageShape<O>> {
  for (let next = await call.next(); next !== undefined; next = await call.next()) yield decode(output, next);
}

async function only<T>(messages: AsyncIterable<T>): Promise<T> {
  for await (const message of messages) return message;
  throw new ConnectError("a call takes exactly one message", Code.InvalidArgument);
}

function decode<O extends DescMessage>(output: O, bytes: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(output, bytes);
  } catch (error) {
    throw ConnectError.from(error, Code.Internal);
  }
}
