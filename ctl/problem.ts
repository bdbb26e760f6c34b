/** What went wrong, in a sentence for a person, with what to do next; shown without a stack. */
import { ApiError } from "@k3ts/client";
import { printable } from "./output/printable.ts";

export class Problem extends Error {
  override name = "Problem";
  /** @param next what the person may do about it */
  constructor(message: string, readonly next?: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What to print for an error, whatever it is. */
export function explain(error: unknown): string {
  if (error instanceof Problem) return sentence(error.message, error.next);
  const known = ApiError.from(error);
  if (known instanceof ApiError) return sentence(known.message, hint(known));
  // What the system refuses, such as a full disk, is nobody's mistake.
  if (error instanceof Error && /\(os error \d+\)/.test(error.message)) return sentence(error.message, undefined);
  // A mistake of ours: whoever mends it wants to know where it is.
  return `Error: ${error instanceof Error ? error.stack ?? error.message : error}`;
}

function sentence(message: string, next: string | undefined): string {
  return `Error: ${printable(message)}${next === undefined ? "" : `\n${next}`}`;
}

function hint({ code, reason, details, message }: ApiError): string | undefined {
  if (reason === "Unauthorized") {
    return "The credentials of this kubeconfig are not accepted: get a new one, or set KUBECONFIG.";
  }
  if (reason === "Forbidden") return "Ask an administrator of the cluster for a role that allows it.";
  if (reason === "NotFound" && details.name) {
    return "See what there is with `k3ts get`, or name another namespace with -n.";
  }
  if (/certificate/i.test(message) && code >= 500) {
    return "This kubeconfig trusts another cluster's CA: was the cluster made anew? Use its new admin.kubeconfig.";
  }
  const node = /\bnode "([^"]+)" must be reachable/.exec(message)?.[1];
  if (node !== undefined) return `See how that node is: k3ts describe node ${node}`;
  if (code === 503 || code === 504) {
    return "Is the server running? Start it with `k3ts up`, or name another one with --kubeconfig.";
  }
  return undefined;
}
