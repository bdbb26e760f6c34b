/**
 * Asks by the gRPC health protocol (grpc.health.v1.Health/Check) over HTTP/2 without TLS, as the kubelet does.
 *
 * The two messages are one field each, so they are written and read here: field 1 of the request is the service's name,
 * field 1 of the answer the state.
 */
import { concatBytes } from "@k3ts/model/objects";
import { type Answer, plainWords } from "./probe.ts";

const STATES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING = 1;
const UNIMPLEMENTED = 12;
/** Nobody has more to say about its health. */
const ANSWER_BYTES_MAX = 4096;

export async function askGrpc(
  host: string,
  port: number,
  service: string,
  seconds: number,
  signal: AbortSignal,
): Promise<Answer> {
  const failure = (message: string): Answer => ({ result: "failure", message });
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  // Without HTTP/1.1 there is nothing to negotiate: the connection begins as HTTP/2.
  using client = Deno.createHttpClient({ http1: false, http2: true, proxy: undefined });
  try {
    const response = await fetch(`http://${address}/grpc.health.v1.Health/Check`, {
      client,
      method: "POST",
      redirect: "manual",
      signal,
      headers: {
        "content-type": "application/grpc",
        te: "trailers",
        "user-agent": "kube-probe/1.35",
        "grpc-timeout": `${seconds}S`,
      },
      body: frame(requestOf(service)),
    });
    const code = Number(response.headers.get("grpc-status") ?? "0");
    const said = decodeURIComponent(response.headers.get("grpc-message") ?? "");
    if (code === UNIMPLEMENTED || response.status === 404) {
      await response.body?.cancel();
      return failure(
        `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${said}`,
      );
    }
    if (code !== 0 || !response.ok) {
      await response.body?.cancel();
      return failure(`error: health rpc probe failed: rpc error: code = ${code} desc = ${said}`);
    }
    const state = stateIn(await readAtMost(response, signal));
    if (state === SERVING) return { result: "success", message: "service healthy" };
    if (state === undefined) return failure("error: health rpc probe failed: the answer was empty");
    return failure(`service unhealthy (responded with "${STATES[state] ?? state}")`);
  } catch (error) {
    if (signal.aborted) return failure(`timeout: failed to connect service "${address}" within ${seconds}s`);
    return failure(`error: failed to connect service at "${address}": ${plainWords(error)}`);
  }
}

function requestOf(service: string): Uint8Array<ArrayBuffer> {
  const name = new TextEncoder().encode(service);
  if (name.length === 0) return new Uint8Array();
  return concatBytes([new Uint8Array([0x0a, ...varint(name.length)]), name]);
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)];
}

/** Not compressed, its length, the message. */
function frame(message: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(5);
  new DataView(head.buffer).setUint32(1, message.length);
  return concatBytes([head, message]);
}

/** The state in a framed answer; undefined where there is no answer in it. */
export function stateIn(bytes: Uint8Array): number | undefined {
  if (bytes.length < 5) return undefined;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(1);
  const message = bytes.subarray(5, 5 + length);
  if (message.length < length) return undefined;
  // A state of 0 may be left out.
  return message[0] === 0x08 ? message[1] : 0;
}

/** fetch forgets its signal once the head is there. */
async function readAtMost(response: Response, signal: AbortSignal): Promise<Uint8Array> {
  const reader = response.body?.getReader();
  if (reader === undefined) return new Uint8Array();
  const end = () => reader.cancel().catch(() => {});
  signal.addEventListener("abort", end, { once: true });
  const chunks: Uint8Array[] = [];
  try {
    for (let size = 0; size < ANSWER_BYTES_MAX;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
    }
  } finally {
    signal.removeEventListener("abort", end);
    await end();
  }
  signal.throwIfAborted();
  return concatBytes(chunks);
}
