/**
 * Reaches into the networks of pods. A process of `k3ts-shim forward` a pod enters its network namespace and connects
 * there for whoever asks over its unix socket: u16 port (little-endian); the answer is one byte, 0 when connected, else
 * 1 with a text of u16 length. From then on bytes go both ways. It lives as long as somebody holds its standard input.
 */
import { removeIfThere } from "../files.ts";
import type { NetworkTarget } from "./targets.ts";

/** How long a pod may take to accept. */
const CONNECT_MS_MAX = 30_000;
/** A process that nobody uses ends. */
const IDLE_MS_MAX = 30_000;

interface Forwarder {
  socket: string;
  process: Deno.ChildProcess;
  ready: Promise<void>;
  uses: number;
  idle?: ReturnType<typeof setTimeout>;
}

export interface ForwarderOptions {
  /** `k3ts-shim`. */
  program: string;
  /** Where its sockets lie. Short, as a path of a socket has at most 107 bytes. */
  directory: string;
  signal: AbortSignal;
}

/** The processes of all pods that are being forwarded to. */
export class Forwarders {
  readonly #options: ForwarderOptions;
  readonly #byPod = new Map<string, Forwarder>();

  constructor(options: ForwarderOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => {
      for (const uid of [...this.#byPod.keys()]) this.#end(uid);
    });
  }

  /** A connection with a port of a pod's `localhost`. @throws when nothing listens there, or the pod has ended */
  async connect({ uid, networkNamespace }: NetworkTarget, port: number): Promise<PodConnection> {
    const forwarder = this.#use(uid, networkNamespace);
    let connection: PodConnection | undefined;
    try {
      await forwarder.ready;
      const release = () => this.#release(uid, forwarder);
      connection = new PodConnection(await Deno.connect({ transport: "unix", path: forwarder.socket }), release);
      await ask(connection, port);
      return connection;
    } catch (error) {
      if (connection === undefined) this.#release(uid, forwarder);
      else connection[Symbol.dispose]();
      throw error;
    }
  }

  #use(uid: string, networkNamespace: string): Forwarder {
    const forwarder = this.#byPod.get(uid) ?? this.#start(uid, networkNamespace);
    forwarder.uses++;
    clearTimeout(forwarder.idle);
    return forwarder;
  }

  #release(uid: string, forwarder: Forwarder): void {
    if (--forwarder.uses > 0 || this.#byPod.get(uid) !== forwarder) return;
    forwarder.idle = setTimeout(() => this.#end(uid), IDLE_MS_MAX);
  }

  #start(uid: string, networkNamespace: string): Forwarder {
    const { program, directory } = this.#options;
    const socket = `${directory}/f${crypto.randomUUID().slice(0, 8)}.sock`;
    const where = networkNamespace === "" ? [] : ["--network", networkNamespace];
    const process = new Deno.Command(program, {
      args: ["forward", "--socket", socket, ...where],
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
      clearEnv: true,
    }).spawn();
    const forwarder: Forwarder = { socket, process, ready: isReady(process), uses: 0 };
    forwarder.ready.catch(() => {}); // awaited by all who use it
    this.#byPod.set(uid, forwarder);
    process.status.then(() => {
      if (this.#byPod.get(uid) === forwarder) this.#byPod.delete(uid);
      return removeIfThere(socket);
    });
    return forwarder;
  }

  /** With all connections that still go through it. */
  #end(uid: string): void {
    const forwarder = this.#byPod.get(uid);
    if (forwarder === undefined) return;
    clearTimeout(forwarder.idle);
    this.#byPod.delete(uid);
    forwarder.process.stdin.close().catch(() => {}); // it has ended by itself
  }
}

/** Its first line says how the start went. */
async function isReady(process: Deno.ChildProcess): Promise<void> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const data of process.stdout) text += decoder.decode(data, { stream: true });
  if (text !== "ok\n") throw new Error(text.replace(/^error /, "").trim() || "the forwarding process has ended");
}

async function ask(connection: PodConnection, port: number): Promise<void> {
  const late = setTimeout(() => connection[Symbol.dispose](), CONNECT_MS_MAX);
  try {
    await connection.write(new Uint8Array([port & 0xff, port >> 8]));
    const [refused] = await readExactly(connection, 1);
    if (refused === 0) return;
    const [low, high] = await readExactly(connection, 2);
    throw new Error(new TextDecoder().decode(await readExactly(connection, low! | high! << 8)));
  } finally {
    clearTimeout(late);
  }
}

async function readExactly(connection: PodConnection, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const read = await connection.read(bytes.subarray(at));
    if (read === null) throw new Error("the pod must accept the connection in time: it has ended or does not answer");
    at += read;
  }
  return bytes;
}

/** Bytes to and from a pod. Can be closed at any time, and more than once. */
export class PodConnection implements Disposable {
  readonly #connection: Deno.Conn;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(connection: Deno.Conn, onClose: () => void) {
    this.#connection = connection;
    this.#onClose = onClose;
  }

  /** null at the end, and when it was closed here. */
  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isClosed) return null;
    return await this.#connection.read(buffer).catch((error) => {
      if (this.#isClosed) return null;
      throw error;
    });
  }

  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length;) at += await this.#connection.write(data.subarray(at));
  }

  /** No more is written. */
  end(): Promise<void> {
    return this.#connection.closeWrite();
  }

  [Symbol.dispose](): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#connection.close();
    this.#onClose();
  }
}
