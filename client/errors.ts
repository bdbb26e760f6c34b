/** Errors of the API as Kubernetes tells them: a code of HTTP, a reason for programs, a message for people. */
import { Code, ConnectError } from "@connectrpc/connect";
import { StatusDetailSchema } from "@k3ts/proto";

/** meta/v1 Status, as far as errors have it. */
export interface Status {
  code?: number;
  /** `NotFound`, `Conflict`, ... */
  reason?: string;
  message?: string;
  details?: StatusDetails;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: { reason?: string; message?: string; field?: string }[];
  retryAfterSeconds?: number;
}

/** The server refused a request, or could not be reached. */
export class ApiError extends Error {
  override name = "ApiError";
  /** As in HTTP. */
  readonly code: number;
  readonly reason: string;
  readonly details: StatusDetails;

  constructor(status: Status, cause?: unknown) {
    super(status.message ?? status.reason ?? "unknown error", { cause });
    this.code = status.code ?? 500;
    this.reason = status.reason ?? "";
    this.details = status.details ?? {};
  }

  /** Any error of a call. What is no error of Connect is returned as it is. */
  static from(error: unknown): unknown {
    if (!(error instanceof ConnectError)) return error;
    const [detail] = error.findDetails(StatusDetailSchema);
    const status = detail === undefined ? undefined : parseStatus(detail.status);
    return new ApiError(status ?? { ...STATUS_BY_CODE[error.code], message: error.rawMessage }, error);
  }
}

/** For errors without a Status: of transports, gateways, and servers on their way up or down. */
const STATUS_BY_CODE: Record<Code, { code: number; reason: string }> = {
  [Code.Canceled]: { code: 499, reason: "Canceled" },
  [Code.Unknown]: { code: 500, reason: "InternalError" },
  [Code.InvalidArgument]: { code: 400, reason: "BadRequest" },
  [Code.DeadlineExceeded]: { code: 504, reason: "Timeout" },
  [Code.NotFound]: { code: 404, reason: "NotFound" },
  [Code.AlreadyExists]: { code: 409, reason: "AlreadyExists" },
  [Code.PermissionDenied]: { code: 403, reason: "Forbidden" },
  [Code.ResourceExhausted]: { code: 429, reason: "TooManyRequests" },
  [Code.FailedPrecondition]: { code: 400, reason: "BadRequest" },
  [Code.Aborted]: { code: 409, reason: "Conflict" },
  [Code.OutOfRange]: { code: 410, reason: "Expired" },
  [Code.Unimplemented]: { code: 405, reason: "MethodNotAllowed" },
  [Code.Internal]: { code: 500, reason: "InternalError" },
  [Code.Unavailable]: { code: 503, reason: "ServiceUnavailable" },
  [Code.DataLoss]: { code: 500, reason: "InternalError" },
  [Code.Unauthenticated]: { code: 401, reason: "Unauthorized" },
};

/** Undefined for what is no Status. */
export function parseStatus(json: Uint8Array): Status | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(json));
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

export const isNotFound = (error: unknown): boolean => hasReason(error, "NotFound");
export const isAlreadyExists = (error: unknown): boolean => hasReason(error, "AlreadyExists");
/** Somebody else has written the object in between: read it again. */
export const isConflict = (error: unknown): boolean => hasReason(error, "Conflict");
export const isForbidden = (error: unknown): boolean => hasReason(error, "Forbidden");
export const isUnauthorized = (error: unknown): boolean => hasReason(error, "Unauthorized");
export const isInvalid = (error: unknown): boolean => hasReason(error, "Invalid");
/** The history that was asked for is gone: list again. */
export const isExpired = (error: unknown): boolean =>
  error instanceof ApiError && (error.code === 410 || hasReason(error, "Expired") || hasReason(error, "Gone"));
/** The server has not come that far: it was restored to an earlier state, if that does not pass soon. */
export const isResourceVersionTooLarge = (error: unknown): boolean =>
  error instanceof ApiError &&
  (error.details.causes?.some(({ reason }) => reason === "ResourceVersionTooLarge") ?? false);
/** The server could not be reached or is not ready: the same request may succeed later. */
export const isUnavailable = (error: unknown): boolean =>
  error instanceof ApiError && [429, 502, 503, 504].includes(error.code);

function hasReason(error: unknown, reason: string): boolean {
  return error instanceof ApiError && error.reason === reason;
}
