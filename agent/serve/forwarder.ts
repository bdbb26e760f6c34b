/**
 * Reaches into the networks of pods. A process of `k3ts-shim forward` a pod enters its network namespace and connects
 * there for whoever asks over its unix socket: u16 port and u32 number (little-endian); the answer is one byte, 0 when
 * connected, else 1 with a text of u16 length. From then on bytes go both ways. When the pod says no more, a line of
 * its standard output has the number, and why if the pod has broken off. It lives as long as somebody holds its input.
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
  /** By the number of a connection: told why the pod has broken it off, or nothing when it has ended it. */
  ends: Map<number, (reason: string) => void>;
  numbers: number;
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
      const number = forwarder.numbers++;
      const { promise: end, resolve } = Promise.withResolvers<string>();
      const release = () => {
        forwarder.ends.delete(number);
        resolve("");
        this.#release(uid, forwarder);
      };
      connection = new PodConnection(await Deno.connect({ transport: "unix", path: forwarder.socket }), release);
      forwarder.ends.set(number, resolve);
      await ask(connection, port, number);
      connection.accepted(end);
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
    const ends: Forwarder["ends"] = new Map();
    const forwarder: Forwarder = { socket, process, ready: follow(process, ends), ends, numbers: 0, uses: 0 };
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

const GONE = "the forwarding process has ended";

/** Its first line says how the start went, the others which connections have ended. */
function follow(process: Deno.ChildProcess, ends: Forwarder["ends"]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const read = async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const data of process.stdout) {
      const lines = (text + decoder.decode(data, { stream: true })).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const [, number, reason] = /^(\d+) (.*)$/.exec(line) ?? [];
        if (number !== undefined) ends.get(Number(number))?.(reason!);
        else if (line === "ok") resolve();
        else reject(new Error(line.replace(/^error /, "")));
      }
    }
  };
  read().catch(() => {}).finally(() => {
    reject(new Error(GONE));
    for (const end of ends.values()) end(GONE);
  });
  return promise;
}

async function ask(connection: PodConnection, port: number, number: number): Promise<void> {
  const late = setTimeout(() => connection[Symbol.dispose](), CONNECT_MS_MAX);
  try {
    const request = new DataView(new ArrayBuffer(6));
    request.setUint16(0, port, true);
    request.setUint32(2, number, true);
    await connection.write(new Uint8Array(request.buffer));
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
  #end: Promise<string> | undefined;
  #isClosed = false;

  constructor(connection: Deno.Conn, onClose: () => void) {
    this.#connection = connection;
    this.#onClose = onClose;
  }

  /** @param end will say why the pod has broken it off, or nothing when it has ended it */
  accepted(end: Promise<string>): void {
    this.#end = end;
  }

  /** null at the end, and when it was closed here. @throws when the pod has broken it off */
  async read(buffer: Uint8Array): Promise<number | null> {
    if (this.#isClosed) return null;
    const read = await this.#connection.read(buffer).catch((error) => {
      if (this.#isClosed) return null;
      throw error;
    });
    if (read !== null || this.#isClosed || this.#end === undefined) return read;
    const reason = await this.#end;
    if (reason !== "") throw new Error(reason);
    return null;
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
