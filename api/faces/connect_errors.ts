/** Refusals, as Connect tells them: a code that every language knows, and the Status that says it all. */
import { StatusDetailSchema } from "@k3ts/proto";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Status, statusOf } from "../status.ts";

const CODES: Readonly<Record<number, Code>> = {
  400: Code.InvalidArgument,
  401: Code.Unauthenticated,
  403: Code.PermissionDenied,
  404: Code.NotFound,
  405: Code.Unimplemented,
  406: Code.InvalidArgument,
  409: Code.Aborted,
  410: Code.OutOfRange,
  413: Code.ResourceExhausted,
  415: Code.InvalidArgument,
  422: Code.FailedPrecondition,
  429: Code.ResourceExhausted,
  500: Code.Internal,
  503: Code.Unavailable,
  504: Code.DeadlineExceeded,
  507: Code.ResourceExhausted,
};

export function connectErrorOf(error: unknown): ConnectError {
  if (error instanceof ConnectError) return error;
  return connectErrorOfStatus(statusOf(error), error);
}

export function connectErrorOfStatus(status: Status, cause?: unknown): ConnectError {
  const code = status.reason === "AlreadyExists" ? Code.AlreadyExists : CODES[status.code] ?? Code.Unknown;
  const detail = {
    desc: StatusDetailSchema,
    value: { status: new TextEncoder().encode(JSON.stringify(status)) },
  };
  return new ConnectError(status.message ?? "", code, undefined, [detail], cause);
}
