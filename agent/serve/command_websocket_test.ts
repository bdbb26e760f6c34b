import { deepEqual } from "node:assert/strict";
import { MemoryPipe } from "./_memory_pipe.ts";
import type { Size } from "./command.ts";
import { serveCommandWebSocket } from "./command_websocket.ts";
import { Opcode } from "./websocket/frames.ts";

/** A frame of a client, with a mask that changes nothing (RFC 6455, 5.3). */
function frame(channel: number, text: string): Uint8Array<ArrayBuffer> {
  const data = new TextEncoder().encode(text);
  return new Uint8Array([0x80 | Opcode.binary, 0x80 | (data.length + 1), 0, 0, 0, 0, channel, ...data]);
}

Deno.test("what is no size ends the sizes of a terminal, and nothing else", async () => {
  const [ours, theirs] = MemoryPipe.pair();
  const sizes: (Size | undefined)[] = [];
  const wanted = { stdin: true, stdout: true, stderr: false, tty: true };
  const served = serveCommandWebSocket(ours, "v5.channel.k8s.io", wanted, async (client) => {
    for (let at = 0; at < 2; at++) sizes.push(await client.sizes.take());
    await client.write("stdout", (await client.stdin!.read())!);
  });
  await theirs.write(frame(4, '{"Width":80,"Height":24}'));
  await theirs.write(frame(4, "nonsense}"));
  await theirs.write(frame(4, '{"Width":1,"Height":1}'));
  await theirs.write(frame(0, "typed"));
  // An empty message says that somebody is there; what was typed comes after it.
  const messages = [[], [...new TextEncoder().encode("typed")]];
  for (const message of messages) {
    deepEqual([...(await theirs.read())!], [0x82, message.length + 1, 1, ...message]);
  }
  theirs.destroy();
  await served;
  deepEqual(sizes, [{ columns: 80, rows: 24 }, undefined]);
});
