/** HTTP/1.1 and WebSocket by hand, where a client library would hide what is to be seen. */

export class RawConnection implements Disposable {
  #connection: Deno.TlsConn;
  #unread = new Uint8Array();

  private constructor(connection: Deno.TlsConn) {
    this.#connection = connection;
  }

  static async open(port: number, ca: string): Promise<RawConnection> {
    const options = { hostname: "localhost", port, caCerts: [ca], alpnProtocols: ["http/1.1"] };
    const connection = await Deno.connectTls(options);
    await connection.handshake();
    return new RawConnection(connection);
  }

  async write(data: string | Uint8Array<ArrayBuffer>): Promise<void> {
    const writer = this.#connection.writable.getWriter();
    try {
      await writer.write(typeof data === "string" ? new TextEncoder().encode(data) : data);
    } finally {
      writer.releaseLock();
    }
  }

  /** Everything up to and including a text; what there was when the connection ended before. */
  async readUntil(text: string): Promise<string> {
    const wanted = new TextEncoder().encode(text);
    for (;;) {
      const at = indexOf(this.#unread, wanted);
      if (at >= 0) return new TextDecoder().decode(this.#take(at + wanted.length));
      if (!(await this.#more())) return new TextDecoder().decode(this.#take(this.#unread.length));
    }
  }

  async readBytes(count: number): Promise<Uint8Array> {
    while (this.#unread.length < count) {
      if (!(await this.#more())) throw new Error(`the connection ended before ${count} bytes`);
    }
    return this.#take(count);
  }

  /** Resolves when the other side has closed. */
  async ended(): Promise<void> {
    while (await this.#more());
  }

  async sendText(text: string): Promise<void> {
    const bytes = new TextEncoder().encode(text);
    // A mask of zeros is a mask, and leaves the text readable.
    await this.write(new Uint8Array([0x81, 0x80 | bytes.length, 0, 0, 0, 0, ...bytes]));
  }

  async receiveText(): Promise<string> {
    const [, length = 0] = await this.readBytes(2);
    return new TextDecoder().decode(await this.readBytes(length));
  }

  async #more(): Promise<boolean> {
    const piece = new Uint8Array(65_536);
    const count = await this.#connection.read(piece).catch(() => null);
    if (count === null) return false;
    this.#unread = new Uint8Array([...this.#unread, ...piece.subarray(0, count)]);
    return true;
  }

  #take(count: number): Uint8Array {
    const taken = this.#unread.subarray(0, count);
    this.#unread = this.#unread.slice(count);
    return taken;
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }
}

export function upgradeRequest(path: string, headers: Record<string, string> = {}): string {
  const lines = Object.entries({
    host: "localhost",
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}
