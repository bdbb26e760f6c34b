/**
 * Speaks Kubernetes's remote command protocol over a WebSocket (subprotocols v4.channel.k8s.io and
 * v5.channel.k8s.io, KEP-4006): each message begins with the number of its channel.
 */
import type { Attachment } from "../runtime/attach.ts";

export const PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"] as const;

const Channel = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** Output that waits for a slow client; the process waits with it. */
const WAITING_BYTES_MAX = 1024 * 1024;
/** Input that waits for a slow process; a client that sends more is cut off. */
const INPUT_BYTES_MAX = 16 * 1024 * 1024;
const DRAIN_MS = 10;

/** The newest protocol that both sides know; undefined when there is none. */
export function chooseProtocol(offered: string | null): string | undefined {
  const all = (offered ?? "").split(",").map((one) => one.trim());
  return PROTOCOLS.find((one) => all.includes(one));
}

/** Joins a client with a process until either ends. Owns both. */
export async function serveProcess(socket: WebSocket, attachment: Attachment): Promise<void> {
  socket.binaryType = "arraybuffer";
  using process = attachment;
  const opened = Promise.withResolvers<void>();
  let inputWaiting = 0;
  socket.onopen = () => opened.resolve();
  socket.onerror = () => opened.resolve();
  socket.onclose = () => {
    opened.resolve();
    process[Symbol.dispose]();
  };
  socket.onmessage = ({ data }) => {
    const message = typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data as ArrayBuffer);
    inputWaiting += message.length;
    if (inputWaiting > INPUT_BYTES_MAX) return socket.close(1009, "too much input waits for the process");
    takeIn(message, process).catch(() => {}).finally(() => inputWaiting -= message.length);
  };
  await opened.promise;
  // An empty message tells the client that the process is there.
  send(socket, Channel.stdout, new Uint8Array());
  let code: number | undefined;
  try {
    for await (const one of process.output()) {
      if (one.stream === "exit") code = one.code;
      else send(socket, Channel[one.stream], one.data);
      while (socket.readyState === WebSocket.OPEN && socket.bufferedAmount > WAITING_BYTES_MAX) {
        await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
      }
    }
  } finally {
    send(socket, Channel.error, new TextEncoder().encode(JSON.stringify(statusOf(code))));
    if (socket.readyState === WebSocket.OPEN) socket.close(1000);
  }
}

async function takeIn(message: Uint8Array, process: Attachment): Promise<void> {
  const data = message.subarray(1);
  if (message[0] === Channel.stdin && data.length > 0) await process.write(data);
  // v5: a channel ends.
  if (message[0] === Channel.close && data[0] === Channel.stdin) await process.end();
  if (message[0] === Channel.resize) {
    const { Width = 0, Height = 0 } = JSON.parse(new TextDecoder().decode(data)) as { Width?: number; Height?: number };
    await process.resize(Width, Height);
  }
}

function send(socket: WebSocket, channel: number, data: Uint8Array): void {
  if (socket.readyState !== WebSocket.OPEN) return;
  const message = new Uint8Array(1 + data.length);
  message[0] = channel;
  message.set(data, 1);
  socket.send(message);
}

/** meta/v1 Status, as kubectl reads the exit code from it. */
export function statusOf(code: number | undefined) {
  if (code === 0) return { metadata: {}, status: "Success" };
  if (code === undefined) {
    return {
      metadata: {},
      status: "Failure",
      reason: "InternalError",
      message: "the process ended without an exit code",
      code: 500,
    };
  }
  return {
    metadata: {},
    status: "Failure",
    reason: "NonZeroExitCode",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}
