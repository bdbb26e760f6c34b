/** The envelope of Kubernetes protobuf: `k8s\0` and a runtime.Unknown with apiVersion, kind and the message. */
import { DecodeError } from "./problems.ts";
import { BYTES, WireReader } from "./wire.ts";

/** What every envelope begins with. */
export const MAGIC = Uint8Array.of(0x6b, 0x38, 0x73, 0);

/** An opened envelope. */
export interface Envelope {
  apiVersion: string;
  kind: string;
  /** The message, a view of the envelope's bytes. */
  message: Uint8Array;
  /** Empty for protobuf; `application/json` when the message is JSON. */
  contentType: string;
}

/** Does it begin as an envelope? */
export function isEnvelope(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && MAGIC.every((byte, i) => bytes[i] === byte);
}

/** @throws {DecodeError} when it is no envelope */
export function openEnvelope(bytes: Uint8Array): Envelope {
  if (!isEnvelope(bytes)) throw new DecodeError("provided data does not appear to be a protobuf message");
  const envelope: Envelope = { apiVersion: "", kind: "", message: bytes.subarray(0, 0), contentType: "" };
  const reader = new WireReader(bytes, MAGIC.length);
  while (reader.position < bytes.length) {
    const tag = reader.uint();
    if (tag === 8 + BYTES) readTypeMeta(reader, envelope);
    else if (tag === 16 + BYTES) envelope.message = reader.bytes();
    else if (tag === 32 + BYTES) envelope.contentType = reader.string();
    else reader.skip(tag & 7);
  }
  return envelope;
}

function readTypeMeta(reader: WireReader, envelope: Envelope): void {
  const end = reader.end();
  while (reader.position < end) {
    const tag = reader.uint();
    if (tag === 8 + BYTES) envelope.apiVersion = reader.string();
    else if (tag === 16 + BYTES) envelope.kind = reader.string();
    else reader.skip(tag & 7);
  }
}
