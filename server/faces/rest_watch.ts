/** Watches, as responses that go on. */
import {
  type ApiServer,
  type Channel,
  type EncodedEvent,
  type Framing,
  type JoiningSink,
  type Publisher,
  type Watch,
  watch,
  type WatchRequest,
} from "@k3ts/api";
import { concatBytes, encodeWatchEvent } from "@k3ts/model";
import type { Link } from "../fanout/link.ts";
import type { HeldStream } from "../fanout/mod.ts";
import type { Wanted } from "./negotiation.ts";
import { contentTypeOf, headersOf } from "./rest_reply.ts";

/** Bytes that wait for a client. Behind that, events wait in the history that all watches share. */
const WAITING_BYTES_MAX = 64 * 1024;
/** Seconds that a watch lasts which asks for no time of its own: that much, up to twice as much. */
const SECONDS_DEFAULT = 1800;
/** A day: longer ones are shortened to it, also since timers cannot wait for long. */
const SECONDS_MAX = 24 * 3600;

const encoder = new TextEncoder();
const NEWLINE = encoder.encode("}\n");

/** One line of JSON an event. */
const LINES: Framing = {
  id: "lines",
  frame: (type, object) => concatBytes([encoder.encode(`{"type":"${type}","object":`), object, NEWLINE]),
};

/** Length and WatchEvent, as client-go's protobuf streams read them. */
const FRAMES: Framing = { id: "frames", frame: encodeWatchEvent };

/** Batches that several watches are sent are put on the wire once. */
const joined = new WeakMap<readonly EncodedEvent[], { by: string; bytes: Uint8Array }>();

/** @param held who may go on with the answer when everything up to now has been told */
export async function respondWatch(
  request: WatchRequest,
  wanted: Wanted,
  timeoutSeconds: number | undefined,
  server: ApiServer,
  held?: HeldStream,
): Promise<Response> {
  const { verbs, forms } = server;
  // There is no YAML that goes on.
  const choice = wanted.as === "yaml" ? { as: "json" as const } : wanted;
  const sink = new StreamSink(choice.as === "protobuf" ? FRAMES : LINES, held);
  const form = forms.of(request.resource, choice);
  const watching = await watch(request, form, sink, verbs);
  // Whole ones: Deno keeps something for each length of timers that are called off until they would have been due.
  const seconds = Math.min(timeoutSeconds || Math.round(SECONDS_DEFAULT * (1 + verbs.random())), SECONDS_MAX);
  const end = () => {
    watching.bookmark();
    watching.end();
  };
  const callOff = verbs.clock.after(Math.max(0, seconds * 1000), end);
  // A client that goes away cancels the stream, and that ends the watch.
  sink.onEnd = callOff;
  const type = contentTypeOf(choice);
  const contentType = choice.as === "protobuf" ? `${type};stream=watch` : type;
  return new Response(sink.stream(watching), { headers: headersOf(contentType) });
}

/**
 * Puts events into the body of a response, as fast as that is read, until the gateway that passes it on can be told of
 * them along with others.
 */
class StreamSink implements JoiningSink {
  onEnd: () => void = () => {};
  readonly #framing: Framing;
  readonly #held: HeldStream | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  #watching: Watch | undefined;
  /** What the stream was given to. */
  #joined: Link | undefined;
  #ended = false;

  constructor(framing: Framing, held: HeldStream | undefined) {
    this.#framing = framing;
    this.#held = held;
  }

  stream(watching: Watch): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#watching = watching;
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => watching.resume(),
      cancel: () => watching.end(),
    }, { highWaterMark: WAITING_BYTES_MAX, size: (bytes) => bytes?.length ?? 0 });
  }

  room(): number {
    return this.#joined?.room() ?? this.#controller?.desiredSize ?? 0;
  }

  send(events: readonly EncodedEvent[]): void {
    if (this.#ended) return;
    if (this.#joined === undefined) this.#controller?.enqueue(this.#concat(events) as Uint8Array<ArrayBuffer>);
    else this.#joined.tell(this.#held!.id, events.map((event) => event.framed(this.#framing)));
  }

  publisher(): Publisher | undefined {
    return this.#held?.link()?.publisher(this.#framing);
  }

  join(channel: Channel): void {
    this.#joined = this.#held!.link()!;
    this.#joined.attach(this.#held!.id, channel.id, {
      // Before that the gateway would take the end of the body for that of the watch.
      attached: () => this.#close(),
      gone: () => this.#watching?.end(),
    });
  }

  #concat(events: readonly EncodedEvent[]): Uint8Array {
    const framing = this.#framing;
    if (events.length === 1) return events[0]!.framed(framing);
    const known = joined.get(events);
    if (known?.by === framing.id) return known.bytes;
    const bytes = concatBytes(events.map((event) => event.framed(framing)));
    joined.set(events, { by: framing.id, bytes });
    return bytes;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.onEnd();
    this.#joined?.end(this.#held!.id);
    this.#close();
  }

  #close(): void {
    try {
      this.#controller?.close();
    } catch {
      // The client had gone first, or it is closed.
    }
  }
}
