/** A client of a shim's attach socket. The frames are described in `proto/k3ts/v1/runtime.proto`. */

const HEADER_BYTES = 5;
const STDIN = 0;
const EXIT = 4;

export interface Outcome {
  /** By stream: 1 standard output, 2 standard error. */
  text: Record<number, string>;
  exitCode: number;
}

/** Gives `stdin` to a process and waits for its end. */
export async function talk(socket: string, stdin: string): Promise<Outcome> {
  using connection = await Deno.connect({ transport: "unix", path: socket });
  const data = new TextEncoder().encode(stdin);
  await writeFrame(connection, STDIN, data);
  if (data.length > 0) await writeFrame(connection, STDIN, new Uint8Array());
  const text: Record<number, string> = {};
  for await (const { stream, data } of readFrames(connection)) {
    if (stream === EXIT) return { text, exitCode: new DataView(data.buffer, data.byteOffset).getInt32(0, true) };
    text[stream] = (text[stream] ?? "") + new TextDecoder().decode(data);
  }
  throw new Error(`Cannot know how the process at ${socket} ended as the last frame must be its exit: none came`);
}

async function writeFrame(connection: Deno.UnixConn, stream: number, data: Uint8Array): Promise<void> {
  const frame = new Uint8Array(HEADER_BYTES + data.length);
  frame[0] = stream;
  new DataView(frame.buffer).setUint32(1, data.length, true);
  frame.set(data, HEADER_BYTES);
  for (let sent = 0; sent < frame.length;) sent += await connection.write(frame.subarray(sent));
}

async function* readFrames(connection: Deno.UnixConn): AsyncGenerator<{ stream: number; data: Uint8Array }> {
  let waiting = new Uint8Array();
  for await (const chunk of connection.readable) {
    const joined = new Uint8Array(waiting.length + chunk.length);
    joined.set(waiting);
    joined.set(chunk, waiting.length);
    waiting = joined;
    while (waiting.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + new DataView(waiting.buffer, waiting.byteOffset).getUint32(1, true);
      if (waiting.length < end) break;
      yield { stream: waiting[0]!, data: waiting.slice(HEADER_BYTES, end) };
      waiting = waiting.slice(end);
    }
  }
}
