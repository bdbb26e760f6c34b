/** Something between a client and a port that can fail as networks do. */

type Pipe = { from: Deno.TcpConn; to: Deno.TcpConn };

export class Relay implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  #open = new Set<Deno.TcpConn>();
  #thawed: PromiseWithResolvers<void> | undefined;
  /** Connections that it has taken so far. */
  taken = 0;

  constructor(readonly target: number) {
    void this.#accept();
  }

  get port(): number {
    return this.#listener.addr.port;
  }

  /** Ends every connection. */
  cut(): void {
    for (const connection of this.#open) connection.close();
    this.#open.clear();
  }

  /** Passes nothing on, and tells nobody; what connects is taken and hears nothing either. */
  freeze(): void {
    this.#thawed ??= Promise.withResolvers();
  }

  thaw(): void {
    this.#thawed?.resolve();
    this.#thawed = undefined;
  }

  async #accept(): Promise<void> {
    for await (const from of this.#listener) {
      this.taken++;
      this.#open.add(from);
      await this.#thawed?.promise;
      const to = await Deno.connect({ hostname: "127.0.0.1", port: this.target });
      this.#open.add(to);
      void this.#carry({ from, to });
      void this.#carry({ from: to, to: from });
    }
  }

  async #carry({ from, to }: Pipe): Promise<void> {
    const piece = new Uint8Array(65_536);
    try {
      for (let count; (count = await from.read(piece)) !== null;) {
        await this.#thawed?.promise;
        for (let sent = 0; sent < count;) sent += await to.write(piece.subarray(sent, count));
      }
    } catch { /* One side has gone: so shall the other. */ }
    for (const connection of [from, to]) {
      if (this.#open.delete(connection)) connection.close();
    }
  }

  [Symbol.dispose](): void {
    this.thaw();
    this.#listener.close();
    this.cut();
  }
}
