/**
 * Says Unavailable wherever a connection was lost. Connect on `node:http2` tells of that in many ways, some of which
 * mean something else as well: a lost stream is Canceled, a reset connection Aborted, a cut answer InvalidArgument.
 */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";
import { Http2SessionManager } from "@connectrpc/connect-node";

/** Answers that stop before their end. */
const CUT_ANSWER = /missing EndStreamResponse|incomplete envelope|promised \d+ bytes|sentinel completed early/;
/** Errors of system calls and of Node's streams, by their `code`. */
const LOST_CODE = /^(E[A-Z]+|ERR_HTTP2_\w+|ERR_STREAM_\w+)$/;

export const tellConnectionLoss: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: retold(response.message, request.signal) } : response;
  } catch (error) {
    throw retell(error, request.signal);
  }
};

/** Streams of Node that close before an answer say nothing at all, and whoever waits for them would wait for ever. */
export class TellingSessionManager extends Http2SessionManager {
  override async request(...args: Parameters<Http2SessionManager["request"]>) {
    const stream = await super.request(...args);
    let isAnswered = false;
    stream.on("response", () => isAnswered = true);
    stream.on("close", () => {
      if (!isAnswered && stream.listenerCount("error") > 0) stream.emit("error", lost(undefined));
    });
    return stream;
  }
}

async function* retold<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw retell(error, signal);
  }
}

/** What the server said, and what was aborted here, stays as it is. */
function retell(error: unknown, signal: AbortSignal): unknown {
  if (!(error instanceof ConnectError) || error.isWireError || signal.aborted) return error;
  return isLoss(error) ? lost(error) : error;
}

function isLoss(error: ConnectError): boolean {
  // Unknown: no code of ours or of the server's; a socket of Deno's that failed in a way of its own.
  if (error.code === Code.Canceled || error.code === Code.Aborted || error.code === Code.Unknown) return true;
  if (CUT_ANSWER.test(error.rawMessage)) return true;
  const { cause } = error;
  return cause instanceof Error && "code" in cause && LOST_CODE.test(String(cause.code));
}

function lost(cause: ConnectError | undefined): ConnectError {
  const why = cause === undefined ? "" : `: ${cause.rawMessage}`;
  return new ConnectError(`the connection to the server was lost${why}`, Code.Unavailable, undefined, undefined, cause);
}
