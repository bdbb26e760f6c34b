import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { Attachment } from "../runtime/attach.ts";
import { chooseProtocol, serveProcess, statusOf } from "./exec_socket.ts";

Deno.test("the newest protocol that both sides know is spoken", () => {
  equal(chooseProtocol("v4.channel.k8s.io, v5.channel.k8s.io"), "v5.channel.k8s.io");
  equal(chooseProtocol("v4.channel.k8s.io"), "v4.channel.k8s.io");
  equal(chooseProtocol("channel.k8s.io"), undefined);
  equal(chooseProtocol(null), undefined);
});

Deno.test("an exit code travels as kubectl reads it", () => {
  equal(statusOf(0).status, "Success");
  assertEquals(statusOf(3).details, { causes: [{ reason: "ExitCode", message: "3" }] });
});

/** A shim that says each line back, and exits with 7 when its input ends. */
async function echoShim(listener: Deno.UnixListener): Promise<void> {
  const connection = await listener.accept();
  const frame = (stream: number, data: Uint8Array) => {
    const bytes = new Uint8Array(5 + data.length);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, stream);
    view.setUint32(1, data.length, true);
    bytes.set(data, 5);
    return bytes;
  };
  const buffer = new Uint8Array(1024);
  for (let read = await connection.read(buffer); read !== null; read = await connection.read(buffer)) {
    const length = new DataView(buffer.buffer).getUint32(1, true);
    if (length === 0) break;
    // Torn on purpose: a frame may come in any pieces.
    const answer = frame(1, buffer.subarray(5, 5 + length));
    await connection.write(answer.subarray(0, 3));
    await connection.write(answer.subarray(3));
  }
  await connection.write(frame(4, new Uint8Array([7, 0, 0, 0])));
  connection.close();
}

Deno.test("a client speaks with a process over a WebSocket on a unix socket", async () => {
  const directory = await Deno.makeTempDir();
  const listener = Deno.listen({ transport: "unix", path: `${directory}/attach.sock` });
  const shim = echoShim(listener);
  const done = Promise.withResolvers<void>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const attachment = await Attachment.connect(`${directory}/attach.sock`);
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: "v5.channel.k8s.io" });
    serveProcess(socket, attachment).then(done.resolve, done.reject);
    return response;
  });
  try {
    const messages: Uint8Array[] = [];
    const client = new WebSocket(`ws://127.0.0.1:${server.addr.port}`, ["v5.channel.k8s.io"]);
    client.binaryType = "arraybuffer";
    const closed = new Promise((resolve) => client.onclose = resolve);
    client.onopen = () => client.send(new Uint8Array([0, 104, 105]));
    client.onmessage = ({ data }) => {
      messages.push(new Uint8Array(data));
      if (messages.length === 2) client.send(new Uint8Array([255, 0]));
    };
    await closed;
    await done.promise;
    assertEquals(messages.slice(0, 2).map((one) => [...one]), [[1], [1, 104, 105]]);
    const status = JSON.parse(new TextDecoder().decode(messages[2]!.subarray(1)));
    assertEquals([messages[2]![0], status.details.causes[0].message], [3, "7"]);
    await shim;
  } finally {
    listener.close();
    await server.shutdown();
    await Deno.remove(directory, { recursive: true });
  }
});
