/** What went wrong, in a sentence for a person, with what to do next; shown without a stack. */
import { Code, ConnectError } from "@connectrpc/connect";
import { ApiError } from "@k3ts/client";

export class Problem extends Error {
  override name = "Problem";
  /** @param next what the person may do about it */
  constructor(message: string, readonly next?: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What to print for an error, whatever it is. */
export function explain(error: unknown): string {
  if (error instanceof Problem) return `Error: ${error.message}${error.next === undefined ? "" : `\n${error.next}`}`;
  if (error instanceof ApiError) return `Error: ${error.message}${hint(error)}`;
  if (error instanceof ConnectError) {
    if (error.code === Code.Unavailable) {
      return "Error: The server cannot be reached.\nIs it running? Start it with `k3ts up`, or name another one with --kubeconfig.";
    }
    return `Error: ${error.rawMessage}`;
  }
  return `Error: ${error instanceof Error ? error.stack ?? error.message : error}`;
}

function hint({ code, reason }: ApiError): string {
  if (reason === "Unauthorized") {
    return "\nThe credentials of this kubeconfig are not accepted: get a new one, or set KUBECONFIG.";
  }
  if (reason === "Forbidden") return "\nAsk an administrator of the cluster for a role that allows it.";
  if (code === 503 || code === 504) {
    return "\nIs the server running? Start it with `k3ts up`, or name another one with --kubeconfig.";
  }
  return "";
}
