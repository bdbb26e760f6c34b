/** From a request's body to an object of the resource's kind. */
import {
  type ApiObject,
  type Decoded,
  DecodeError,
  decodeJson,
  decodeProtobuf,
  decodeYaml,
  type FieldValidation,
  openEnvelope,
  type TypeFacts,
  typeFacts,
} from "@k3ts/model";
import type { ServedResource } from "../resources.ts";
import { badRequest } from "../status.ts";
import type { Body, DeleteOptions } from "./request.ts";
import { refuseLaboriousYaml } from "./yaml_effort.ts";

/** @throws {StatusError} 400 when the body is not an object of the kind, or strictly seen has faults */
export function decodeObject(resource: ServedResource, body: Body, validation: FieldValidation): Decoded<ApiObject> {
  const { kind, apiVersion } = resource;
  const decoded = decodeAs<ApiObject>(body, resource.type, { kind, apiVersion }, validation);
  // What lacks them altogether is read as an empty object would be.
  decoded.object.metadata ??= { name: "" };
  return decoded;
}

/** As {@link decodeObject}, for what is sent to a subresource. */
export function decodeAs<T extends object>(
  body: Body,
  type: TypeFacts,
  expected: { kind: string; apiVersion: string },
  validation: FieldValidation,
): Decoded<T> {
  const shown = `${expected.kind} in version "${expected.apiVersion.split("/").at(-1)}"`;
  try {
    const decoded = decode<T>(body, type, validation);
    const { kind, apiVersion } = decoded.object as { kind?: string; apiVersion?: string };
    refuseOtherKind({ kind, apiVersion }, expected);
    return { object: { ...decoded.object, ...expected }, problems: decoded.problems };
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw badRequest(`${shown} cannot be handled as a ${expected.kind}: ${cause.message}`, { cause });
  }
}

function decode<T extends object>(body: Body, type: TypeFacts, fieldValidation: FieldValidation): Decoded<T> {
  const { bytes, encoding } = body;
  if (encoding === "json") return decodeJson<T>(bytes, type, { fieldValidation });
  if (encoding === "yaml") {
    refuseLaboriousYaml(bytes);
    return decodeYaml<T>(bytes, type, { fieldValidation });
  }
  const { contentType, message } = openEnvelope(bytes);
  if (contentType === "application/json") return decodeJson<T>(message, type, { fieldValidation });
  return { object: decodeProtobuf<T>(bytes, type), problems: [] };
}

function refuseOtherKind(
  { kind = "", apiVersion = "" }: { kind?: string | undefined; apiVersion?: string | undefined },
  expected: { kind: string; apiVersion: string },
): void {
  if (kind !== "" && kind !== expected.kind) {
    throw badRequest(
      `${kind} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${expected.kind}: converting ` +
        `(${apiVersion}.${kind}) to (${expected.apiVersion}.${expected.kind}): unknown conversion`,
    );
  }
  if (apiVersion !== "" && apiVersion !== expected.apiVersion) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${expected.apiVersion})`,
    );
  }
}

const DELETE_OPTIONS_TYPE = typeFacts("", "v1", "DeleteOptions")!;

/** The body of a delete; clients write it as of any group. @throws {StatusError} 400 */
export function decodeDeleteOptions(body: Body): DeleteOptions {
  if (body.bytes.length === 0) return {};
  try {
    const { object } = decode<DeleteOptions & { kind?: string }>(body, DELETE_OPTIONS_TYPE, "Ignore");
    if (object.kind !== undefined && object.kind !== "DeleteOptions") {
      throw new DecodeError(`the body must be DeleteOptions: ${object.kind}`);
    }
    return object;
  } catch (cause) {
    if (cause instanceof DecodeError) throw badRequest(cause.message, { cause });
    throw cause;
  }
}
