/**
 * Calls as frames, for wherever there is no HTTP: the standard streams of a process, a unix socket, the FFI. Unary and
 * server streaming, in both directions over one connection.
 *
 * ```ts
 * const connection = connectFrames(processChannel(plugin), { side: "dialer", routes: (router) => router.service(ResourceService, resources) });
 * const client = createClient(PluginService, connection.transport);
 * ```
 *
 * A `for await` over a stream of Connect that is left early does not end the call: abort the signal that it was given.
 */
export { type ByteStreams, type FrameChannel, processChannel, stdioChannel, streamChannel } from "./channel.ts";
export {
  encodeFrame,
  encodeFrames,
  type Frame,
  FRAME_BYTES_MAX,
  FrameDecoder,
  FrameFormatError,
  FrameType,
} from "./codec.ts";
export {
  connectFrames,
  createFrameTransport,
  type FrameConnection,
  type FrameConnectionOptions,
  serveFrames,
} from "./connection.ts";
export { CALLS_MAX, CREDIT_START, type Side } from "./limits.ts";
export type { Routes } from "./router.ts";
export type { FrameTransportOptions } from "./transport.ts";
