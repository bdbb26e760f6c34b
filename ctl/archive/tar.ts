/** Archives as `tar` reads and writes them (POSIX.1-2001 pax, and what GNU tar and busybox add). Pure. */
import { concatBytes } from "@k3ts/model";

const BLOCK = 512;
/** Of a header's own data, such as a long name. */
const EXTRA_BYTES_MAX = 64 * 1024;

export type EntryType = "file" | "directory" | "other";

export interface TarEntry {
  /** Without a slash at its end. */
  name: string;
  type: EntryType;
  mode: number;
  /** Seconds since the epoch. */
  mtime: number;
  size: number;
}

export type TarEvent = { kind: "entry"; entry: TarEntry } | { kind: "data"; data: Uint8Array };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** An entry's header, with a pax header before it where its name or size needs one. */
export function formatHeader({ name, type, mode, mtime, size }: TarEntry): Uint8Array {
  const full = type === "directory" ? `${name}/` : name;
  const records = [
    ...(encoder.encode(full).length > 100 ? [paxRecord("path", full)] : []),
    ...(size >= 8 ** 11 ? [paxRecord("size", String(size))] : []),
  ];
  const flag = type === "directory" ? "5" : "0";
  const header = block(full, flag, mode, mtime, type === "file" ? size : 0);
  if (records.length === 0) return header;
  const pax = encoder.encode(records.join(""));
  return concatBytes([block("pax", "x", 0o600, mtime, pax.length), pax, padding(pax.length), header]);
}

/** After an entry's data. */
export function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
}

/** After the last entry. */
export function formatEnd(): Uint8Array {
  return new Uint8Array(2 * BLOCK);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = encoder.encode(` ${key}=${value}\n`).length;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

function block(name: string, flag: string, mode: number, mtime: number, size: number): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const put = (at: number, text: string) => bytes.set(encoder.encode(text), at);
  const octal = (value: number, digits: number) => Math.trunc(value).toString(8).padStart(digits, "0");
  bytes.set(encoder.encode(name).subarray(0, 100), 0);
  put(100, `${octal(mode & 0o7777, 7)}\0`);
  put(108, `${octal(0, 7)}\0${octal(0, 7)}\0`);
  put(124, `${octal(size < 8 ** 11 ? size : 0, 11)}\0`);
  put(136, `${octal(Math.max(0, mtime), 11)}\0`);
  put(148, " ".repeat(8));
  bytes.set(encoder.encode(flag), 156);
  bytes.set(encoder.encode("ustar\u000000"), 257);
  put(148, `${octal(bytes.reduce((sum, byte) => sum + byte, 0), 6)}\0 `);
  return bytes;
}

/** Reads an archive as it comes, whatever the pieces. */
export class TarReader {
  #kept: Uint8Array = new Uint8Array();
  /** Of the entry's data, and of the padding after it. */
  #left = 0;
  #padding = 0;
  /** The data is a header's own, of this kind. */
  #extra: string | undefined;
  #longName: string | undefined;
  #pax = new Map<string, string>();
  #hasEnded = false;

  /** Whether the archive came whole. */
  get isWhole(): boolean {
    return this.#left === 0 && this.#padding === 0 && (this.#hasEnded || this.#kept.length === 0);
  }

  /** @throws when it is no archive */
  *push(bytes: Uint8Array): Generator<TarEvent, void, undefined> {
    let rest = this.#kept.length === 0 ? bytes : concatBytes([this.#kept, bytes]);
    while (rest.length > 0 && !this.#hasEnded) {
      if (this.#extra !== undefined) {
        if (rest.length < this.#left) break;
        this.#readExtra(this.#extra, rest.subarray(0, this.#left));
        rest = rest.subarray(this.#left);
        this.#left = 0;
        this.#extra = undefined;
      } else if (this.#left > 0) {
        const data = rest.subarray(0, this.#left);
        this.#left -= data.length;
        rest = rest.subarray(data.length);
        yield { kind: "data", data };
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, rest.length);
        this.#padding -= skipped;
        rest = rest.subarray(skipped);
      } else {
        if (rest.length < BLOCK) break;
        const entry = this.#readHeader(rest.subarray(0, BLOCK));
        rest = rest.subarray(BLOCK);
        if (entry !== undefined) yield { kind: "entry", entry };
      }
    }
    this.#kept = this.#hasEnded ? new Uint8Array() : rest.slice();
  }

  /** undefined for what only describes the next one, and for the end. */
  #readHeader(header: Uint8Array): TarEntry | undefined {
    if (header.every((byte) => byte === 0)) {
      this.#hasEnded = true;
      return undefined;
    }
    checkSum(header);
    const flag = String.fromCharCode(header[156]!);
    const isExtra = flag === "x" || flag === "g" || flag === "L" || flag === "K";
    const size = Number(isExtra ? NaN : this.#pax.get("size") ?? NaN);
    const bytes = Number.isNaN(size) ? numberAt(header, 124, 12) : size;
    const hasData = isExtra || flag === "0" || flag === "\0" || flag === "7";
    this.#left = hasData ? bytes : 0;
    this.#padding = padding(this.#left).length;
    if (isExtra) {
      if (bytes > EXTRA_BYTES_MAX) {
        throw new Error(`a name must have at most ${EXTRA_BYTES_MAX} bytes: it has ${bytes}`);
      }
      this.#extra = flag;
      return undefined;
    }
    const name = this.#pax.get("path") ?? this.#longName ?? nameOf(header);
    this.#pax = new Map();
    this.#longName = undefined;
    return {
      name: name.replace(/\/+$/, ""),
      type: flag === "5" || name.endsWith("/") ? "directory" : hasData ? "file" : "other",
      mode: numberAt(header, 100, 8),
      mtime: numberAt(header, 136, 12),
      size: this.#left,
    };
  }

  #readExtra(kind: string, data: Uint8Array): void {
    const text = decoder.decode(data);
    if (kind === "L") this.#longName = text.replace(/\0.*$/s, "");
    if (kind !== "x") return;
    let rest: Uint8Array = data;
    while (rest.length > 0) {
      const space = rest.indexOf(0x20);
      const length = Number(decoder.decode(rest.subarray(0, Math.max(space, 0))));
      if (space <= 0 || !(length > space) || length > rest.length) {
        throw new Error("a pax header must consist of records");
      }
      const [, key, value] = /^([^=]*)=(.*)\n$/s.exec(decoder.decode(rest.subarray(space + 1, length))) ?? [];
      if (key !== undefined) this.#pax.set(key, value!);
      rest = rest.subarray(length);
    }
  }
}

function nameOf(header: Uint8Array): string {
  const name = textAt(header, 0, 100);
  const isUstar = textAt(header, 257, 6) === "ustar";
  const prefix = isUstar ? textAt(header, 345, 155) : "";
  return prefix === "" ? name : `${prefix}/${name}`;
}

function textAt(header: Uint8Array, at: number, length: number): string {
  return decoder.decode(header.subarray(at, at + length)).replace(/\0.*$/s, "");
}

/** Octal digits, or GNU's binary for what is too large. */
function numberAt(header: Uint8Array, at: number, length: number): number {
  if ((header[at]! & 0x80) === 0) return parseInt(textAt(header, at, length).trim() || "0", 8);
  return header.subarray(at + 1, at + length).reduce((sum, byte) => sum * 256 + byte, header[at]! & 0x7f);
}

function checkSum(header: Uint8Array): void {
  const sum = header.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
  const said = numberAt(header, 148, 8);
  if (sum !== said) throw new Error(`the sum of a header must be ${said}: it is ${sum}`);
}
