/** Faults: errors that are no refusals. Clients are told little of them, so the log must tell the rest. */
import { Code, type ConnectError, type Interceptor } from "@connectrpc/connect";
import { connectErrorOf } from "@k3ts/api";

/** @param call what was asked for: `GET /api/v1/pods`, `/k3ts.v1.ClusterService/Join` */
export type OnFault = (error: unknown, call: string) => void;

/** Answers whatever a service throws as the error that clients know it by, and tells of what is a fault. */
export function answerErrors(onFault: OnFault): Interceptor {
  return (next) => async (request) => {
    const call = new URL(request.url).pathname;
    const answerOf = (error: unknown) => request.signal.aborted ? connectErrorOf(error) : told(error, call, onFault);
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: answering(response.message, answerOf) } : response;
    } catch (error) {
      throw answerOf(error);
    }
  };
}

async function* answering<T>(messages: AsyncIterable<T>, answerOf: (error: unknown) => ConnectError) {
  try {
    yield* messages;
  } catch (error) {
    throw answerOf(error);
  }
}

function told(error: unknown, call: string, onFault: OnFault): ConnectError {
  const answer = connectErrorOf(error);
  if (answer.code === Code.Internal || answer.code === Code.Unknown) onFault(answer.cause ?? answer, call);
  return answer;
}
