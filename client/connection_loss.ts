/**
 * Says Unavailable wherever a connection was lost. Connect over `fetch` tells of that in many ways, some of which mean
 * something else as well: a failed fetch is Unknown, a lost stream Canceled, a cut answer InvalidArgument.
 */
import { Code, ConnectError, type Interceptor } from "@connectrpc/connect";

/** Answers that stop before their end. */
const CUT_ANSWER = /missing EndStreamResponse|incomplete envelope|promised \d+ bytes|sentinel completed early/;

export const tellConnectionLoss: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: retold(response.message, request.signal) } : response;
  } catch (error) {
    throw retell(error, request.signal);
  }
};

async function* retold<T>(messages: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (error) {
    throw retell(error, signal);
  }
}

/** What the server said, and what was aborted here, stays as it is. */
function retell(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return thrown;
  const error = ConnectError.from(thrown);
  return !error.isWireError && isLoss(error) ? lost(error) : error;
}

/** Unknown: neither a code of ours nor of the server's, but a `fetch` that failed. */
const LOSSES: readonly Code[] = [Code.Canceled, Code.Aborted, Code.Unknown];

function isLoss(error: ConnectError): boolean {
  return LOSSES.includes(error.code) || CUT_ANSWER.test(error.rawMessage);
}

function lost(error: ConnectError): ConnectError {
  return new ConnectError(
    `the connection to the server failed: ${reasonOf(error)}`,
    Code.Unavailable,
    undefined,
    undefined,
    error,
  );
}

/** The innermost cause says most: `connection refused`, `certificate expired`. */
function reasonOf(error: Error): string {
  const { cause } = error;
  if (cause instanceof Error) return reasonOf(cause);
  return error instanceof ConnectError ? error.rawMessage : error.message;
}
