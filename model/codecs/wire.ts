/** Reading and writing of protobuf's wire format: varints, strings, bytes, fixed64. */
import { DecodeError } from "./problems.ts";

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
const FIXED32 = 5;

/** Shorter strings are put together by hand, which is faster than asking a TextDecoder. */
const SHORT_STRING = 24;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A place in a message. Throws {@link DecodeError} when the bytes end early. */
export class WireReader {
  readonly #bytes: Uint8Array;
  position: number;

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = bytes;
    this.position = position;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** An unsigned varint below 2^53: tags, lengths. */
  uint(): number {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.#bytes[this.position++];
      if (byte === undefined) throw truncated();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    throw new DecodeError("proto: varint overflow");
  }

  /** An int32 or int64, negative ones in ten bytes. */
  int(): number {
    const start = this.position;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 7; i++) {
      const byte = this.#bytes[this.position++];
      if (byte === undefined) throw truncated();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    this.position = start;
    return this.#bigInt();
  }

  #bigInt(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.position++];
      if (byte === undefined) throw truncated();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(BigInt.asIntN(64, value));
    }
    throw new DecodeError("proto: varint overflow");
  }

  double(): number {
    const at = this.#take(8);
    return new DataView(this.#bytes.buffer, this.#bytes.byteOffset + at, 8).getFloat64(0, true);
  }

  /** A view of the bytes, not a copy. */
  bytes(): Uint8Array {
    const length = this.uint();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  string(): string {
    const length = this.uint();
    const at = this.#take(length);
    if (length >= SHORT_STRING) return decoder.decode(this.#bytes.subarray(at, at + length));
    let text = "";
    for (let i = at; i < at + length; i++) {
      const byte = this.#bytes[i]!;
      if (byte > 127) return decoder.decode(this.#bytes.subarray(at, at + length));
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** Where a length-delimited part that begins here ends. */
  end(): number {
    const length = this.uint();
    if (this.position + length > this.#bytes.length) throw truncated();
    return this.position + length;
  }

  skip(wireType: number): void {
    if (wireType === VARINT) this.#bigInt();
    else if (wireType === BYTES) this.#take(this.uint());
    else if (wireType === FIXED64) this.#take(8);
    else if (wireType === FIXED32) this.#take(4);
    else throw new DecodeError(`proto: illegal wire type ${wireType}`);
  }

  #take(length: number): number {
    const at = this.position;
    if (at + length > this.#bytes.length) throw truncated();
    this.position = at + length;
    return at;
  }
}

/** Most bytes of scratch kept between messages; a larger one is let go. */
const SCRATCH_MAX = 4 << 20;

/**
 * Writes a message from its end to its beginning, so that a part's length is known when its head is written and
 * nothing is measured first.
 */
export class WireWriter {
  #buffer = new Uint8Array(64 << 10);
  /** Where what is written so far begins. */
  #start = this.#buffer.length;

  /** Bytes written so far: take it before a part is written, and again after it, for the part's length. */
  get written(): number {
    return this.#buffer.length - this.#start;
  }

  /** What was written, as a copy; the writer is empty again. */
  finish(): Uint8Array<ArrayBuffer> {
    const result = this.#buffer.slice(this.#start);
    this.reset();
    return result;
  }

  reset(): void {
    if (this.#buffer.length > SCRATCH_MAX) this.#buffer = new Uint8Array(64 << 10);
    this.#start = this.#buffer.length;
  }

  /** The head of a field; written after its value. */
  tag(number: number, wireType: number): void {
    this.uint(number * 8 + wireType);
  }

  uint(value: number): void {
    if (value < 128) {
      this.#need(1);
      this.#buffer[--this.#start] = value;
      return;
    }
    let size = 1;
    for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size++;
    this.#need(size);
    let at = this.#start -= size;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.#buffer[at++] = (rest % 128) | 128;
    this.#buffer[at] = rest;
  }

  int(value: number): void {
    if (value >= 0) return this.uint(value);
    this.#need(10);
    let rest = BigInt.asUintN(64, BigInt(value));
    for (let at = this.#start -= 10, i = 0; i < 10; i++, rest >>= 7n) {
      this.#buffer[at + i] = Number(rest & 127n) | (i < 9 ? 128 : 0);
    }
  }

  double(value: number): void {
    this.#need(8);
    this.#start -= 8;
    new DataView(this.#buffer.buffer, this.#start, 8).setFloat64(0, value, true);
  }

  /** Bytes without their length. */
  raw(bytes: Uint8Array): void {
    this.#need(bytes.length);
    this.#start -= bytes.length;
    this.#buffer.set(bytes, this.#start);
  }

  bytes(bytes: Uint8Array): void {
    this.raw(bytes);
    this.uint(bytes.length);
  }

  string(text: string): void {
    if (text.length < 40 && this.#ascii(text)) return this.uint(text.length);
    const room = text.length * 3;
    this.#need(room);
    const from = this.#start - room;
    const { written } = encoder.encodeInto(text, this.#buffer.subarray(from, this.#start));
    this.#buffer.copyWithin(this.#start - written, from, from + written);
    this.#start -= written;
    this.uint(written);
  }

  /** Writes a short text if it is ASCII; says whether it did. */
  #ascii(text: string): boolean {
    this.#need(text.length);
    const at = this.#start - text.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 127) return false;
      this.#buffer[at + i] = code;
    }
    this.#start = at;
    return true;
  }

  #need(size: number): void {
    if (this.#start >= size) return;
    const written = this.written;
    const larger = new Uint8Array(this.#buffer.length * 2 + size);
    larger.set(this.#buffer.subarray(this.#start), larger.length - written);
    this.#start = larger.length - written;
    this.#buffer = larger;
  }
}

function truncated(): DecodeError {
  return new DecodeError("proto: unexpected end of message");
}
