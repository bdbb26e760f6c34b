/** A watch, as a stream of messages that is pulled: what is not taken is not made. */
import { EventType } from "@k3ts/proto";
import type { EncodedEvent, Form, WatchEventType } from "../cache/encoding.ts";
import type { EventSink } from "../cache/watch.ts";
import type { ApiServer } from "../server.ts";
import type { Status } from "../status.ts";
import type { WatchRequest } from "../verbs/request.ts";
import { watch } from "../verbs/watch.ts";
import { connectErrorOfStatus } from "./connect_errors.ts";

/** Events that wait to be taken. More stay where they are, in the history. */
const WAITING_BYTES_MAX = 256 * 1024;
/** A watch that asks for no time of its own ends after half an hour, so that load can move. */
const SECONDS_DEFAULT = 1800;
/** A day: longer ones are shortened to it, also since timers cannot wait for long. */
const SECONDS_MAX = 24 * 3600;

const TYPES: Readonly<Record<WatchEventType, EventType>> = {
  ADDED: EventType.ADDED,
  MODIFIED: EventType.MODIFIED,
  DELETED: EventType.DELETED,
  BOOKMARK: EventType.BOOKMARK,
  ERROR: EventType.ERROR,
};

interface Message {
  events: { type: EventType; object: Uint8Array<ArrayBuffer>; traceparent: string }[];
}

export async function* watchResponses(
  { verbs }: ApiServer,
  request: WatchRequest,
  form: Form,
  timeoutSeconds: number,
): AsyncGenerator<Message> {
  const sink = new WaitingSink();
  // An error is a code of the call, with its Status as JSON, whatever the events are encoded in.
  let failure: Status | undefined;
  const encodeStatus = (status: Status) => {
    failure = status;
    return new Uint8Array();
  };
  const watching = await watch(
    request,
    { id: form.id, encode: (object) => form.encode(object), encodeStatus },
    sink,
    verbs,
  );
  const end = () => watching.end();
  request.signal.addEventListener("abort", end);
  if (request.signal.aborted) end(); // while the watch was being opened
  const callOff = verbs.clock.after(Math.min(timeoutSeconds || SECONDS_DEFAULT, SECONDS_MAX) * 1000, end);
  try {
    for (;;) {
      watching.resume();
      const events = await sink.take();
      if (failure !== undefined) throw connectErrorOfStatus(failure);
      if (events === undefined) return;
      yield {
        events: events.map(({ type, object, traceparent }) => ({
          type: TYPES[type],
          object: owned(object),
          traceparent,
        })),
      };
    }
  } finally {
    callOff();
    request.signal.removeEventListener("abort", end);
    watching.end();
  }
}

/** Holds events until they are taken. */
class WaitingSink implements EventSink {
  #events: EncodedEvent[] = [];
  #bytes = 0;
  #ended = false;
  #arrived = Promise.withResolvers<void>();

  room(): number {
    return WAITING_BYTES_MAX - this.#bytes;
  }

  send(events: readonly EncodedEvent[]): void {
    this.#events.push(...events);
    for (const event of events) this.#bytes += event.object.length;
    this.#arrived.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#arrived.resolve();
  }

  /** Everything that waits, once something does; undefined at the end. */
  async take(): Promise<EncodedEvent[] | undefined> {
    if (this.#events.length === 0 && !this.#ended) await this.#arrived.promise;
    this.#arrived = Promise.withResolvers();
    const events = this.#events;
    this.#events = [];
    this.#bytes = 0;
    return events.length > 0 ? events : undefined;
  }
}

/** Bytes that are stored are never in shared memory, which the type cannot know. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
