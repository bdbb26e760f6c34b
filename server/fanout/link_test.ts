import { deepEqual, equal, throws } from "node:assert/strict";
import { EncodedEvent, type Framing } from "@k3ts/api";
import { concatBytes } from "@k3ts/model";
import { FrameReader, headOf, Heard, Say } from "./frames.ts";
import { type Conversation, Link } from "./link.ts";

const encoder = new TextEncoder();
const lines: Framing = { id: "lines", frame: (type, object) => concatBytes([encoder.encode(type), object]) };
const event = (text: string) => new EncodedEvent("ADDED", encoder.encode(text));

Deno.test("what is said in one turn leaves as one write, each event once", async () => {
  const wire = new Wire();
  const link = new Link(wire);
  const channel = link.publisher(lines).open(() => {});
  link.attach(7, channel.id, { attached() {}, gone() {} });
  channel.send([event("a"), event("b")]);
  link.tell(7, [encoder.encode("bookmark")]);
  link.end(7);
  channel.end();
  await link.flushed();
  deepEqual(wire.said(), [
    [Say.attach, 7, "\0\0\0\0\0\0\0\x01"],
    [Say.publish, 1, "ADDEDaADDEDb"],
    [Say.tell, 7, "bookmark"],
    [Say.end, 7, ""],
    [Say.close, 1, ""],
  ]);
  equal(wire.writes, 1);
});

Deno.test("a gateway that takes nothing fills the link, and its channels go on when there is room", async () => {
  const wire = new Wire();
  const link = new Link(wire);
  let resumed = 0;
  const channel = link.publisher(lines).open(() => resumed++);
  wire.take = 0;
  let sent = 0;
  for (; channel.room() > 0; sent++) channel.send([event("x".repeat(50_000))]);
  equal(sent, 21);
  await new Promise((resolve) => setTimeout(resolve, 0));
  deepEqual([resumed, channel.room() > 0], [0, false]);
  // A little at a time is enough.
  wire.goOn(10_000);
  await link.flushed();
  equal(wire.said().length, 21);
  deepEqual([resumed > 0, channel.room()], [true, 1024 * 1024]);
});

Deno.test("a link that is filled while it is being written to goes on too", async () => {
  const wire = new Wire();
  const link = new Link(wire);
  let resumed = 0;
  const channel = link.publisher(lines).open(() => resumed++);
  wire.take = 0;
  channel.send([event("x".repeat(900_000))]);
  await new Promise((resolve) => setTimeout(resolve, 0)); // it is being written
  channel.send([event("x".repeat(200_000))]);
  equal(channel.room() > 0, false);
  wire.goOn(Infinity);
  await link.flushed();
  deepEqual([resumed, wire.said().length], [1, 2]);
});

Deno.test("owners hear of what becomes of their streams, and nothing is said of those that are gone", async () => {
  const wire = new Wire();
  const link = new Link(wire);
  const channel = link.publisher(lines).open(() => {});
  const heard: string[] = [];
  const owner = (name: string) => ({
    attached: () => void heard.push(`${name} attached`),
    gone: () => void heard.push(`${name} gone`),
  });
  for (const id of [1, 2, 3]) link.attach(id, channel.id, owner(String(id)));
  await link.flushed();
  wire.pieces.length = 0;
  for (const id of [1, 2, 9]) link.hear({ kind: Heard.attached, id, bytes: new Uint8Array() });
  for (const id of [1, 1, 9]) link.hear({ kind: Heard.gone, id, bytes: new Uint8Array() });
  link.tell(1, [encoder.encode("x")]);
  link.end(1);
  await link.flushed();
  deepEqual(wire.said(), []);
  link.close();
  link.close();
  deepEqual(heard, ["1 attached", "2 attached", "1 gone", "2 gone", "3 gone"]);
  deepEqual([channel.room(), wire.closed], [0, 1]);
  throws(() => link.hear({ kind: 99, id: 1, bytes: new Uint8Array() }), /frames of kind 99 are unknown/);
});

Deno.test("a connection that breaks ends all of its streams", async () => {
  const wire = new Wire();
  const link = new Link(wire);
  let gone = 0;
  wire.broken = true;
  link.attach(1, 1, { attached() {}, gone: () => void gone++ });
  await link.flushed();
  deepEqual([gone, wire.closed], [1, 1]);
});

Deno.test("frames are read wherever they are cut, and what is none is refused", () => {
  const bytes = concatBytes([headOf(Heard.hello, 0, 4), encoder.encode("name"), headOf(Heard.gone, 2 ** 40 + 5, 0)]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const reader = new FrameReader();
    const frames = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((piece) => [...reader.read(piece)]);
    deepEqual(frames.map(({ kind, id, bytes }) => [kind, id, new TextDecoder().decode(bytes)]), [
      [Heard.hello, 0, "name"],
      [Heard.gone, 2 ** 40 + 5, ""],
    ]);
  }
  for (const length of [0, 1, 8, 65, 0xffff_ffff]) {
    const frame = new Uint8Array(20);
    new DataView(frame.buffer).setUint32(0, length);
    throws(() => [...new FrameReader().read(frame)], /a frame must have 9 to 64 bytes/);
  }
});

/** Keeps what is written, so much at a time. */
Deno.test("a stream that is attached when the gateway has gone ends", async () => {
  const wire = new Wire();
  wire.broken = true;
  const link = new Link(wire);
  const channel = link.publisher(lines).open(() => {});
  channel.send([event("a")]);
  await link.flushed();
  let gone = 0;
  link.attach(7, channel.id, { attached() {}, gone: () => gone++ });
  deepEqual([wire.closed, gone], [1, 1]);
});

class Wire implements Conversation {
  take = Infinity;
  broken = false;
  closed = 0;
  writes = 0;
  readonly pieces: Uint8Array[] = [];
  #room = Promise.withResolvers<void>();

  goOn(take: number): void {
    this.take = take;
    this.#room.resolve();
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.broken) throw new Deno.errors.BrokenPipe("gone");
    if (this.take === 0) await this.#room.promise;
    this.writes++;
    const taken = bytes.slice(0, this.take);
    this.pieces.push(taken);
    return taken.length;
  }

  close(): void {
    this.closed++;
  }

  said(): [number, number, string][] {
    const said: [number, number, string][] = [];
    for (let rest = concatBytes(this.pieces); rest.length > 0;) {
      const view = new DataView(rest.buffer, rest.byteOffset);
      const end = 4 + view.getUint32(0);
      said.push([view.getUint8(4), Number(view.getBigUint64(5)), new TextDecoder().decode(rest.subarray(13, end))]);
      rest = rest.subarray(end);
    }
    return said;
  }
}
