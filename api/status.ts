/**
 * Refusals, in the words and shapes that Kubernetes's clients read.
 *
 * Messages and details follow k8s.io/apimachinery `api/errors` (1.35). A verb refuses by throwing a
 * {@link StatusError}; the faces turn it into an HTTP answer or a Connect error.
 */

/** meta/v1 Status. */
export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: { resourceVersion?: string; continue?: string; remainingItemCount?: number };
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

/** What a refusal is about, as its message names it. */
export interface Subject {
  group: string;
  resource: string;
}

export class StatusError extends Error {
  override name = "StatusError";
  readonly status: Status;

  /** @param reason empty for none */
  constructor(
    code: number,
    reason: string,
    message: string,
    details?: StatusDetails,
    options?: ErrorOptions & { metadata?: Status["metadata"] },
  ) {
    super(message, options);
    const metadata = options?.metadata ?? {};
    const base = { kind: "Status", apiVersion: "v1", metadata, status: "Failure", message } as const;
    this.status = { ...base, ...(reason !== "" && { reason }), ...(details && { details }), code };
  }
}

/** `deployments.apps`, or `pods` in the core group: how messages and RBAC name a resource. */
export function groupResource({ group, resource }: Subject): string {
  return group === "" ? resource : `${resource}.${group}`;
}

export function notFound(subject: Subject, name: string): StatusError {
  return new StatusError(404, "NotFound", `${groupResource(subject)} ${quote(name)} not found`, about(subject, name));
}

/** No such path, or no such resource. */
export function noSuchResource(): StatusError {
  return new StatusError(404, "NotFound", "the server could not find the requested resource", {});
}

export function alreadyExists(subject: Subject, name: string): StatusError {
  const message = `${groupResource(subject)} ${quote(name)} already exists`;
  return new StatusError(409, "AlreadyExists", message, about(subject, name));
}

export function nameNotGenerated(subject: Subject, name: string): StatusError {
  const message = `${groupResource(subject)} ${quote(name)} already exists, ` +
    "the server was not able to generate a unique name for the object";
  return new StatusError(409, "AlreadyExists", message, { ...about(subject, name), retryAfterSeconds: 1 });
}

export function conflict(subject: Subject, name: string, why: string): StatusError {
  const message = `Operation cannot be fulfilled on ${groupResource(subject)} ${quote(name)}: ${why}`;
  return new StatusError(409, "Conflict", message, about(subject, name));
}

/** A write that was made from a state that is no longer the newest. */
export function modifiedMeanwhile(subject: Subject, name: string): StatusError {
  return conflict(
    subject,
    name,
    "the object has been modified; please apply your changes to the latest version and try again",
  );
}

export function forbidden(subject: Subject, name: string, why: string): StatusError {
  const who = name === "" ? groupResource(subject) : `${groupResource(subject)} ${quote(name)}`;
  const message = subject.resource === "" ? `forbidden: ${why}` : `${who} is forbidden: ${why}`;
  return new StatusError(403, "Forbidden", message, about(subject, name));
}

export function unauthorized(): StatusError {
  return new StatusError(401, "Unauthorized", "Unauthorized");
}

export function badRequest(message: string, options?: ErrorOptions): StatusError {
  return new StatusError(400, "BadRequest", message, undefined, options);
}

/** @param causes one a field; `body` is what follows the field's name in the message */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly { type: string; field: string; body: string }[],
): StatusError {
  const texts = [...new Set(errors.map(({ field, body }) => `${field}: ${body}`))];
  const qualified = kind.group === "" ? kind.kind : `${kind.kind}.${kind.group}`;
  const list = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const causes = errors.map(({ type, field, body }) => ({ reason: type, message: body, field }));
  return new StatusError(422, "Invalid", `${qualified} ${quote(name)} is invalid: ${list}`, {
    name,
    ...(kind.group !== "" && { group: kind.group }),
    kind: kind.kind,
    causes,
  });
}

export function expired(message: string, metadata?: Status["metadata"]): StatusError {
  return new StatusError(410, "Expired", message, undefined, metadata === undefined ? undefined : { metadata });
}

export function tooLargeResourceVersion(asked: number, current: number): StatusError {
  const message = `Too large resource version: ${asked}, current: ${current}`;
  return new StatusError(504, "Timeout", `Timeout: ${message}`, {
    causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
    retryAfterSeconds: 1,
  });
}

/** @param retryAfterSeconds 0 where nobody can tell */
export function tooManyRequests(message: string, retryAfterSeconds: number, causes?: StatusCause[]): StatusError {
  return new StatusError(429, "TooManyRequests", message, {
    ...(causes && { causes }),
    ...(retryAfterSeconds > 0 && { retryAfterSeconds }),
  });
}

/** Kubernetes gives this one no reason. */
export function severalBudgets(): StatusError {
  const message = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
  return new StatusError(500, "", message);
}

export function tooLargeEntity(message: string): StatusError {
  return new StatusError(413, "RequestEntityTooLarge", `Request entity is too large: ${message}`);
}

export function methodNotSupported(subject: Subject, action: string): StatusError {
  const message = `${action} is not supported on resources of kind ${quote(groupResource(subject))}`;
  return new StatusError(405, "MethodNotAllowed", message, about(subject, ""));
}

export function unsupportedMediaType(accepted: readonly string[]): StatusError {
  const message = "the body of the request was in an unknown format - accepted media types include: " +
    accepted.join(", ");
  return new StatusError(415, "UnsupportedMediaType", message);
}

export function notAcceptable(accepted: readonly string[]): StatusError {
  const message = `only the following media types are accepted: ${accepted.join(", ")}`;
  return new StatusError(406, "NotAcceptable", message);
}

export function internalError(why: string, options?: ErrorOptions): StatusError {
  const details = { causes: [{ message: why }] };
  return new StatusError(500, "InternalError", `Internal error occurred: ${why}`, details, options);
}

export function serviceUnavailable(message: string, options?: ErrorOptions): StatusError {
  return new StatusError(503, "ServiceUnavailable", message, undefined, options);
}

/** The disk is full: RFC 4918, section 11.5. Kubernetes has no reason of its own for it. */
export function insufficientStorage(message: string, options?: ErrorOptions): StatusError {
  return new StatusError(507, "InsufficientStorage", message, undefined, options);
}

/** The work goes on, but nobody waits for it any longer. */
export function timedOut(message: string): StatusError {
  return new StatusError(504, "Timeout", `Timeout: ${message}`);
}

/** Anything thrown, as a Status: what is not a refusal of ours is an internal error. */
export function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  return internalError(error instanceof Error ? error.message : String(error), { cause: error }).status;
}

/** What a delete answers when the object is gone at once. */
export function deleted(subject: Subject, name: string, uid: string): Status {
  const details = { ...about(subject, name), uid };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details, code: 200 };
}

function about({ group, resource }: Subject, name: string): StatusDetails {
  return { ...(name !== "" && { name }), ...(group !== "" && { group }), kind: resource };
}

/** Go's %q, for the names that occur in messages. */
export function quote(text: string): string {
  return JSON.stringify(text);
}
