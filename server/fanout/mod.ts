/**
 * The gateways that tell watches what is published once for many. Each connects by itself, and says in the header of each
 * request that may be a watch who it is and by which number it knows the answer.
 */
import { delay } from "@k3ts/client";
import { FrameReader, Heard } from "./frames.ts";
import { Link } from "./link.ts";

const HEADER = "k3ts-fanout";
const READ_BYTES = 16 * 1024;
/** For a gateway to take the last that there is to say. */
const LAST_WORDS_MS_MAX = 1_000;
const decoder = new TextDecoder();

/** An answer that a gateway may go on with. */
export interface HeldStream {
  readonly id: number;
  /** The way to the gateway, while there is one. */
  link(): Link | undefined;
}

export class Fanout implements AsyncDisposable {
  readonly #links = new Map<string, Link>();

  /** Those that are connected. */
  get gateways(): number {
    return this.#links.size;
  }

  /** What the gateway says of a request. */
  find(headers: Headers): HeldStream | undefined {
    const [, name, id] = /^([0-9a-f]{16})\/([0-9]{1,15})$/.exec(headers.get(HEADER) ?? "") ?? [];
    if (name === undefined) return undefined;
    return { id: Number(id), link: () => this.#links.get(name) };
  }

  /** Listens until the signal fires. Whoever can connect hears of everything: the socket is root's alone. */
  async serve(path: string, onError: (error: unknown) => void, signal: AbortSignal): Promise<void> {
    const listener = Deno.listen({ transport: "unix", path });
    Deno.chmodSync(path, 0o600);
    signal.addEventListener("abort", () => listener.close());
    if (signal.aborted) listener.close();
    for await (const connection of listener) this.#converse(connection).catch(onError);
  }

  /** Says what is left to be said, such as that watches have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links.values()].map(async (link) => {
      await Promise.race([link.flushed(), delay(LAST_WORDS_MS_MAX)]);
      link.close();
    }));
  }

  async #converse(connection: Deno.UnixConn): Promise<void> {
    const link = new Link(connection);
    const reader = new FrameReader();
    const buffer = new Uint8Array(READ_BYTES);
    let name: string | undefined;
    try {
      for (;;) {
        const count = await read(connection, buffer);
        if (count === null) return;
        for (const frame of reader.read(buffer.subarray(0, count))) {
          if (name !== undefined) link.hear(frame);
          else if (frame.kind === Heard.hello) {
            name = decoder.decode(frame.bytes);
            // One that connects again has lost its connection, though this end may not have noticed.
            this.#links.get(name)?.close();
            this.#links.set(name, link);
          } else throw new RangeError("Cannot hear the gateway as it must say who it is first");
        }
      }
    } finally {
      if (name !== undefined && this.#links.get(name) === link) this.#links.delete(name);
      link.close();
    }
  }
}

/** A connection that has gone, or was closed here, is at its end. */
async function read(connection: Deno.UnixConn, buffer: Uint8Array): Promise<number | null> {
  try {
    return await connection.read(buffer);
  } catch (error) {
    if (error instanceof RangeError) throw error;
    return null;
  }
}
