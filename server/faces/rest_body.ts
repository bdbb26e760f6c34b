/** Bodies of requests: how large they may be, and what they may be written in. */
import { type Body, type PatchType, tooLargeEntity, unsupportedMediaType } from "@k3ts/api";
import { concatBytes } from "@k3ts/model";
import { JSON_TYPE, PRODUCED, PROTOBUF_TYPE, YAML_TYPE } from "./negotiation.ts";

/** Bytes of a body: as many as Kubernetes takes. */
const BODY_BYTES_MAX = 3 * 1024 * 1024;

const ENCODINGS: ReadonlyMap<string, Body["encoding"]> = new Map([
  ["", "json"],
  ["*/*", "json"],
  [JSON_TYPE, "json"],
  [YAML_TYPE, "yaml"],
  [PROTOBUF_TYPE, "protobuf"],
]);

const PATCHES: ReadonlyMap<string, PatchType> = new Map([
  ["application/json-patch+json", "json"],
  ["application/merge-patch+json", "merge"],
  ["application/strategic-merge-patch+json", "strategic"],
  ["application/apply-patch+yaml", "apply"],
]);

/** @throws {StatusError} 413 or 415 */
export async function readObjectBody(request: Request): Promise<Body> {
  const type = contentTypeOf(request);
  const encoding = ENCODINGS.get(type);
  if (encoding === undefined) throw unsupportedMediaType(PRODUCED);
  return { bytes: await readBytes(request), encoding };
}

/** @throws {StatusError} 413 or 415 */
export async function readPatchBody(request: Request): Promise<{ type: PatchType; body: Body }> {
  const media = contentTypeOf(request);
  const type = PATCHES.get(media);
  if (type === undefined) throw unsupportedMediaType([...PATCHES.keys()]);
  return { type, body: { bytes: await readBytes(request), encoding: type === "apply" ? "yaml" : "json" } };
}

function contentTypeOf(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";", 1)[0]!.trim().toLowerCase();
}

async function readBytes(request: Request): Promise<Uint8Array> {
  const tooLarge = () => tooLargeEntity(`limit is ${BODY_BYTES_MAX}`);
  const announced = request.headers.get("content-length");
  if (announced !== null) {
    if (Number(announced) > BODY_BYTES_MAX) throw tooLarge();
    // HTTP holds the client to what it has announced.
    return new Uint8Array(await request.arrayBuffer());
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of request.body ?? []) {
    length += part.length;
    if (length > BODY_BYTES_MAX) throw tooLarge();
    parts.push(part);
  }
  if (parts.length === 1) return parts[0]!;
  return concatBytes(parts);
}
