/**
 * The connection to one gateway, on which an event is published once for all the streams of its channel.
 *
 * It holds a bounded number of bytes. While it is full its channels read no further in the history, as they have no room,
 * and go on when the gateway has taken what was written.
 */
import type { Channel, EncodedEvent, Framing, Publisher } from "@k3ts/api";
import { concatBytes } from "@k3ts/model";
import { headOf, Heard, type HeardFrame, numberBytes, Say } from "./frames.ts";

/** Bytes that wait to be written, or are. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** Frames of more than this together leave in more than one write. */
const WRITE_BYTES_MAX = 256 * 1024;

/** What a link is made on. */
export interface Conversation {
  write(bytes: Uint8Array): Promise<number>;
  close(): void;
}

/** Whoever gave a stream away. */
export interface StreamOwner {
  /** What the channel is sent reaches the client: the owner need write no more. */
  attached(): void;
  /** Nothing reaches the client any more. */
  gone(): void;
}

export class Link {
  readonly #conversation: Conversation;
  readonly #publishers = new Map<string, Publisher>();
  readonly #streams = new Map<number, StreamOwner>();
  /** What goes on when there is room again: channels that had none. */
  readonly #resumes = new Set<() => void>();
  #nextChannel = 1;
  #pieces: Uint8Array[] = [];
  #waitingBytes = 0;
  #writing: Promise<void> | undefined;
  #closed = false;

  constructor(conversation: Conversation) {
    this.#conversation = conversation;
  }

  /** For streams whose events are put on the wire so. */
  publisher(framing: Framing): Publisher {
    let publisher = this.#publishers.get(framing.id);
    if (publisher === undefined) {
      publisher = { open: (resume) => this.#open(framing, resume) };
      this.#publishers.set(framing.id, publisher);
    }
    return publisher;
  }

  room(): number {
    return this.#closed ? 0 : WAITING_BYTES_MAX - this.#waitingBytes;
  }

  /** To a connection that has gone nothing is attached: its owner hears of that at once. */
  attach(stream: number, channel: number, owner: StreamOwner): void {
    if (this.#closed) return owner.gone();
    this.#streams.set(stream, owner);
    this.#say(Say.attach, stream, [numberBytes(channel)]);
  }

  /** @param pieces for that stream alone */
  tell(stream: number, pieces: readonly Uint8Array[]): void {
    if (this.#streams.has(stream)) this.#say(Say.tell, stream, pieces);
  }

  end(stream: number): void {
    if (this.#streams.delete(stream)) this.#say(Say.end, stream, []);
  }

  hear({ kind, id }: HeardFrame): void {
    const owner = this.#streams.get(id);
    if (kind === Heard.attached) return owner?.attached();
    if (kind !== Heard.gone) throw new RangeError(`Cannot hear the gateway as frames of kind ${kind} are unknown`);
    this.#streams.delete(id);
    owner?.gone();
  }

  /** Resolves when everything that was said has been written, or cannot be. */
  async flushed(): Promise<void> {
    await this.#writing;
  }

  /** With it end all streams. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pieces = [];
    this.#conversation.close();
    const owners = [...this.#streams.values()];
    this.#streams.clear();
    for (const owner of owners) owner.gone();
  }

  #open(framing: Framing, resume: () => void): Channel {
    const id = this.#nextChannel++;
    return {
      id,
      room: () => {
        const room = this.room();
        if (room <= 0) this.#resumes.add(resume);
        return room;
      },
      send: (events: readonly EncodedEvent[]) => this.#say(Say.publish, id, events.map((one) => one.framed(framing))),
      end: () => {
        this.#resumes.delete(resume);
        this.#say(Say.close, id, []);
      },
    };
  }

  #say(kind: number, id: number, pieces: readonly Uint8Array[]): void {
    if (this.#closed) return;
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const head = headOf(kind, id, bytes);
    this.#pieces.push(head, ...pieces);
    this.#waitingBytes += head.length + bytes;
    this.#writing ??= this.#write().catch(() => this.close());
  }

  async #write(): Promise<void> {
    try {
      // What is said in the same turn, such as the events of all writes that became durable together, goes together.
      await Promise.resolve();
      while (this.#pieces.length > 0) {
        let rest = this.#take();
        const length = rest.length;
        while (rest.length > 0) rest = rest.subarray(await this.#conversation.write(rest));
        this.#waitingBytes -= length;
        if (this.room() > 0) this.#resume();
      }
    } finally {
      this.#writing = undefined;
    }
  }

  #resume(): void {
    const resumes = [...this.#resumes];
    this.#resumes.clear();
    for (const resume of resumes) resume();
  }

  #take(): Uint8Array {
    let bytes = 0;
    let count = 0;
    while (count < this.#pieces.length && bytes < WRITE_BYTES_MAX) bytes += this.#pieces[count++]!.length;
    return concatBytes(this.#pieces.splice(0, count));
  }
}
