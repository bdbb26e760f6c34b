/** Questions to a name server, byte by byte, so that nothing of an answer is hidden. */
import dgram from "node:dgram";
import { once } from "node:events";

export const TYPES = { A: 1, NS: 2, CNAME: 5, SOA: 6, PTR: 12, MX: 15, AAAA: 28, SRV: 33, ANY: 255 } as const;
export const NOERROR = 0, FORMERR = 1, SERVFAIL = 2, NXDOMAIN = 3, NOTIMP = 4, REFUSED = 5;

export type Type = keyof typeof TYPES;

export interface Answer {
  id: number;
  code: number;
  authoritative: boolean;
  truncated: boolean;
  /** `name type data`, where the type is one of {@link TYPES}. */
  answers: string[];
  authorities: string[];
  additionals: string[];
}

export interface Question {
  port: number;
  /** @default 127.0.0.1 */
  host?: string;
  /** @default udp */
  transport?: "udp" | "tcp";
  /** Bytes that the answer may have over UDP; undefined: no EDNS. */
  payload?: number;
}

export async function ask(name: string, type: Type, question: Question): Promise<Answer> {
  const { port, host, transport = "udp", payload } = question;
  const message = encode(name, TYPES[type], payload);
  return decode(await (transport === "udp" ? overUdp(message, port, host) : overTcp(message, port, host)));
}

const LOOPBACK = "127.0.0.1";

/** A bound UDP socket, on loopback where that is enough. */
export class UdpSocket implements AsyncDisposable {
  #socket = dgram.createSocket("udp4");

  private constructor(readonly host: string) {}

  /** `host`: whom it is to reach. */
  static async open(host: string = LOOPBACK): Promise<UdpSocket> {
    const opened = new UdpSocket(host);
    opened.#socket.bind(0, host === LOOPBACK ? LOOPBACK : "0.0.0.0");
    await once(opened.#socket, "listening");
    return opened;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  send(bytes: Uint8Array, port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(bytes, port, this.host, (error) => error ? reject(error) : resolve());
    });
  }

  onMessage(handle: (bytes: Uint8Array, port: number) => void): void {
    this.#socket.on("message", (bytes, { port }) => handle(new Uint8Array(bytes), port));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.close();
    await closed;
  }
}

export async function overUdp(message: Uint8Array, port: number, host?: string): Promise<Uint8Array> {
  await using socket = await UdpSocket.open(host);
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  socket.onMessage(resolve);
  await socket.send(message, port);
  return await promise;
}

async function overTcp(message: Uint8Array<ArrayBuffer>, port: number, host = LOOPBACK): Promise<Uint8Array> {
  using connection = await Deno.connect({ hostname: host, port });
  await connection.write(new Uint8Array([message.length >> 8, message.length & 255, ...message]));
  let received = new Uint8Array();
  const wanted = () => received.length < 2 ? 2 : 2 + ((received[0] ?? 0) << 8) + (received[1] ?? 0);
  const piece = new Uint8Array(65_536);
  while (received.length < wanted()) {
    const count = await connection.read(piece);
    if (count === null) throw new Error("the connection ended before the answer");
    received = new Uint8Array([...received, ...piece.subarray(0, count)]);
  }
  return received.subarray(2);
}

export function encode(name: string, type: number, payload?: number): Uint8Array<ArrayBuffer> {
  const id = Math.floor(Math.random() * 65_536);
  const labels = name.split(".").filter((label) => label !== "");
  const encoded = labels.flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
  const options = payload === undefined ? [] : [0, 0, 41, payload >> 8, payload & 255, 0, 0, 0, 0, 0, 0];
  const counts = [0, 1, 0, 0, 0, 0, 0, payload === undefined ? 0 : 1];
  return new Uint8Array([id >> 8, id & 255, 1, 0, ...counts, ...encoded, 0, type >> 8, type & 255, 0, 1, ...options]);
}

export function decode(bytes: Uint8Array): Answer {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint16(2);
  let at = 12;
  for (let left = view.getUint16(4); left > 0; left--) at = readName(view, at).next + 4;
  const section = (count: number) => {
    const records: string[] = [];
    for (; count > 0; count--) {
      const record = readRecord(view, at);
      at = record.next;
      if (record.text !== undefined) records.push(record.text);
    }
    return records;
  };
  return {
    id: view.getUint16(0),
    code: flags & 15,
    authoritative: (flags & 0x400) !== 0,
    truncated: (flags & 0x200) !== 0,
    answers: section(view.getUint16(6)),
    authorities: section(view.getUint16(8)),
    additionals: section(view.getUint16(10)),
  };
}

function readRecord(view: DataView, start: number): { text?: string; next: number } {
  const { name, next: fixed } = readName(view, start);
  const type = view.getUint16(fixed);
  const data = fixed + 10;
  const next = data + view.getUint16(fixed + 8);
  const [known] = Object.entries(TYPES).find(([, number]) => number === type) ?? [];
  return known === undefined ? { next } : { text: `${name} ${known} ${readData(view, type, data, next)}`, next };
}

function readData(view: DataView, type: number, at: number, end: number): string {
  switch (type) {
    case TYPES.A:
      return [0, 1, 2, 3].map((index) => view.getUint8(at + index)).join(".");
    case TYPES.AAAA:
      return [0, 2, 4, 6, 8, 10, 12, 14].map((index) => view.getUint16(at + index).toString(16)).join(":");
    case TYPES.SRV:
      return `${view.getUint16(at)} ${view.getUint16(at + 2)} ${view.getUint16(at + 4)} ${readName(view, at + 6).name}`;
    case TYPES.CNAME:
    case TYPES.PTR:
    case TYPES.NS:
    case TYPES.SOA:
      return readName(view, at).name;
    default:
      return `${end - at} bytes`;
  }
}

function readName(view: DataView, start: number): { name: string; next: number } {
  const labels: string[] = [];
  let next: number | undefined;
  for (let at = start;;) {
    const length = view.getUint8(at);
    if (length >= 0xc0) {
      next ??= at + 2;
      at = view.getUint16(at) & 0x3fff;
      continue;
    }
    if (length === 0) return { name: labels.join("."), next: next ?? at + 1 };
    const label = new Uint8Array(view.buffer, view.byteOffset + at + 1, length);
    labels.push(new TextDecoder().decode(label));
    at += 1 + length;
  }
}
