/** HTTP/2 by hand: what no client library would send, and what comes back. */

export const TYPES = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, window: 8, continuation: 9 };
export const END_STREAM = 1, END_HEADERS = 4, ACK = 1;

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** SETTINGS_HEADER_TABLE_SIZE of 0: every status then comes as itself, and never as a reference to one before. */
const NO_TABLE = new Uint8Array([0, 1, 0, 0, 0, 0]);
/** Statuses that HPACK has by number, from 0x88. */
const STATUSES = [200, 204, 206, 304, 400, 404, 500];

export type Fields = readonly (readonly [string, string])[];

export class Stream {
  status: number | undefined;
  bytes = 0;
  ended = false;
  /** The code of RST_STREAM. */
  reset: number | undefined;
}

export class Http2 implements Disposable {
  readonly #connection: Deno.TlsConn;
  readonly #streams = new Map<number, Stream>();
  readonly closed: Promise<void>;
  /** Told of a stream that the other side opens, as a tunnel's server does. */
  onOpened: (id: number) => void = () => {};
  /** Told of what comes in a stream. */
  onData: (id: number) => void = () => {};
  goaway: number | undefined;
  pongs = 0;
  settings = 0;

  private constructor(connection: Deno.TlsConn, reads: boolean, preface = 0) {
    this.#connection = connection;
    this.closed = reads ? this.#read(preface) : Promise.resolve();
  }

  /** A node's side of a tunnel: after the handshake it is the server of HTTP/2. */
  static async tunnel(
    port: number,
    ca: string,
    credentials: { cert: string; key: string },
    { reads = true }: { reads?: boolean } = {},
  ): Promise<Http2> {
    const options = { hostname: "localhost", port, caCerts: [ca], alpnProtocols: ["k3ts-tunnel"], ...credentials };
    const node = new Http2(await Deno.connectTls(options), reads, PREFACE.length);
    // Not waited for, as it does the handshake too, and the other side may close at any time.
    void node.flood(frame(TYPES.settings, 0, 0));
    return node;
  }

  static async open(port: number, ca: string, { reads = true, credentials }: {
    /** @default true */
    reads?: boolean;
    credentials?: { cert: string; key: string };
  } = {}): Promise<Http2> {
    const options = { hostname: "localhost", port, caCerts: [ca], alpnProtocols: ["h2"], ...credentials };
    const connection = await Deno.connectTls(options);
    await connection.handshake();
    const client = new Http2(connection, reads);
    await client.write(new TextEncoder().encode(PREFACE), frame(TYPES.settings, 0, 0, NO_TABLE));
    return client;
  }

  stream(id: number): Stream {
    const stream = this.#streams.get(id) ?? new Stream();
    this.#streams.set(id, stream);
    return stream;
  }

  async write(...pieces: Uint8Array[]): Promise<void> {
    const bytes = joined(pieces);
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** As `write`, as often as it is taken; false once the other side has closed. */
  async flood(pieces: Uint8Array): Promise<boolean> {
    try {
      await this.write(pieces);
      return true;
    } catch {
      return false;
    }
  }

  /** `preface`: bytes that come before the first frame. */
  async #read(preface: number): Promise<void> {
    let unread = new Uint8Array();
    const piece = new Uint8Array(65_536);
    for (;;) {
      const count = await this.#connection.read(piece).catch(() => null);
      if (count === null) return;
      const skipped = Math.min(preface, count);
      preface -= skipped;
      unread = joined([unread, piece.subarray(skipped, count)]);
      while (unread.length >= 9) {
        const length = (unread[0]! << 16) | (unread[1]! << 8) | unread[2]!;
        if (unread.length < 9 + length) break;
        this.#take(unread[3]!, unread[4]!, number(unread, 5), unread.subarray(9, 9 + length));
        unread = unread.slice(9 + length);
      }
    }
  }

  #take(type: number, flags: number, id: number, payload: Uint8Array): void {
    if (type === TYPES.headers && !this.#streams.has(id)) this.onOpened(id);
    const stream = this.stream(id);
    if (type === TYPES.headers) stream.status ??= statusOf(payload);
    if (type === TYPES.data) {
      stream.bytes += payload.length;
      this.onData(id);
    }
    if (type === TYPES.headers || type === TYPES.data) stream.ended ||= (flags & END_STREAM) !== 0;
    if (type === TYPES.reset) stream.reset = number(payload, 0);
    if (type === TYPES.goaway) this.goaway = number(payload, 4);
    if (type === TYPES.ping && flags & ACK) this.pongs++;
    else if (type === TYPES.ping) void this.flood(frame(TYPES.ping, ACK, 0, payload.slice()));
    if (type === TYPES.settings && flags & ACK) this.settings++;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array()): Uint8Array {
  const head = new Uint8Array(9);
  const view = new DataView(head.buffer);
  view.setUint32(0, payload.length << 8);
  view.setUint8(3, type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  return joined([head, payload]);
}

export function request(path: string, more: Fields = [], method = "GET"): Uint8Array {
  return block([[":method", method], [":scheme", "https"], [":authority", "localhost"], [":path", path], ...more]);
}

/** Header fields, each in full: RFC 7541, section 6.2.2. */
export function block(fields: Fields): Uint8Array {
  const text = (value: string) => [integer(value.length), new TextEncoder().encode(value)];
  return joined(fields.flatMap(([name, value]) => [new Uint8Array([0]), ...text(name), ...text(value)]));
}

export function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** With a prefix of seven bits. */
function integer(value: number): Uint8Array {
  if (value < 127) return new Uint8Array([value]);
  const bytes = [127];
  for (value -= 127; value >= 128; value = Math.floor(value / 128)) bytes.push(128 + value % 128);
  return new Uint8Array([...bytes, value]);
}

function number(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
}

/** Of a block that begins with the status, as blocks of answers do. */
function statusOf(block: Uint8Array): number {
  // Changes of the table's size may come before it.
  let at = 0;
  while ((block[at]! & 0xe0) === 0x20) at++;
  const first = block[at]!;
  if (first & 0x80) return STATUSES[first - 0x88] ?? 0;
  const length = block[at + 1]!;
  const value = block.subarray(at + 2, at + 2 + (length & 0x7f));
  return Number(length & 0x80 ? digits(value) : new TextDecoder().decode(value));
}

/** Three digits in Huffman's code of HPACK: 0, 1 and 2 have five bits, the others six. */
function digits(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  let text = "";
  for (let at = 0; text.length < 3;) {
    const five = parseInt(bits.slice(at, at + 5), 2);
    const isShort = five <= 2;
    text += isShort ? five : parseInt(bits.slice(at, at + 6), 2) - 0x19 + 3;
    at += isShort ? 5 : 6;
  }
  return text;
}
