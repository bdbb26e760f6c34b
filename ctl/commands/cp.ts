/** `k3ts cp`: files and folders into a container and out of it, by the `tar` that is in there. */
import { basename, dirname, join } from "node:path";
import { posix } from "node:path";
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import { StreamService } from "@k3ts/proto";
import { formatEnd, formatHeader, padding, type TarEntry, TarReader } from "../archive/tar.ts";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { Problem } from "../problem.ts";
import { type ContainerOptions, containerOptions, targetOf } from "./pod_target.ts";

export function registerCp(program: Command): void {
  containerOptions(program.command("cp <from> <to>"))
    .description("copy files and folders: k3ts cp web-abc:/etc/hosts . ; k3ts cp ./site web-abc:/srv")
    .action((from: string, to: string, options: ContainerOptions) =>
      withCluster(options, (connection, namespace) => copy(from, to, options, connection, namespace))
    );
}

const CHUNK_BYTES = 64 * 1024;

/** `POD:PATH`, `NAMESPACE/POD:PATH`, or a path of this machine. */
export interface Place {
  namespace?: string;
  pod?: string;
  path: string;
}

/** @throws {Problem} */
export function parsePlace(word: string): Place {
  const colon = word.indexOf(":");
  // What begins like a path is one, whatever its name has in it.
  if (colon < 0 || /^(\/|\.)/.test(word)) return { path: word };
  const [before, path] = [word.slice(0, colon), word.slice(colon + 1)];
  const parts = before.split("/");
  if (before === "" || path === "" || parts.length > 2 || parts.includes("")) {
    throw new Problem(`A place must be PATH, POD:PATH or NAMESPACE/POD:PATH: it is "${word}".`);
  }
  return { ...(parts.length === 2 && { namespace: parts[0]! }), pod: parts.at(-1)!, path };
}

async function copy(
  from: string,
  to: string,
  options: ContainerOptions,
  connection: Connection,
  home: string,
): Promise<void> {
  const [source, target] = [parsePlace(from), parsePlace(to)];
  const place = source.pod === undefined ? target : source;
  if ((source.pod === undefined) === (target.pod === undefined)) {
    throw new Problem("One of both must be in a pod, as POD:PATH, and the other on this machine.");
  }
  const headers = await targetOf(place.pod!, options, connection, place.namespace ?? home);
  const container = new Container(connection, headers);
  if (source.pod === undefined) await copyInto(container, source.path, target.path);
  else await copyOut(container, source.path, target.path);
}

/** Programs in one container. */
class Container {
  readonly #exec;

  constructor(connection: Connection, headers: HeadersInit) {
    const { exec } = createClient(StreamService, connection.transport);
    this.#exec = (requests: Parameters<typeof exec>[0]) => exec(requests, { headers });
  }

  /** @throws {Problem} when it fails, with what it said */
  async *run(command: string[], input?: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const code = yield* this.#run(command, input);
    if (code.exit !== 0) {
      throw new Problem(`${command[0]} in the container has failed: ${code.said.trim() || `exit ${code.exit}`}`);
    }
  }

  async succeeds(command: string[]): Promise<boolean> {
    const running = this.#run(command);
    for (;;) {
      const next = await running.next();
      if (next.done) return next.value.exit === 0;
    }
  }

  async *#run(
    command: string[],
    input?: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, { exit: number; said: string }, undefined> {
    const decoder = new TextDecoder();
    let said = "";
    const start = { message: { case: "start" as const, value: { command, stdin: input !== undefined } } };
    for await (const { message } of this.#exec(requests(start, input))) {
      if (message.case === "stdout") yield message.value;
      if (message.case === "stderr") said = (said + decoder.decode(message.value, { stream: true })).slice(-4096);
      if (message.case === "exitCode") return { exit: message.value, said };
    }
    throw new Problem("The stream was cut off before all was copied.");
  }
}

async function* requests<S>(start: S, input: AsyncIterable<Uint8Array> | undefined) {
  yield start;
  if (input === undefined) return;
  for await (const value of input) yield { message: { case: "stdin" as const, value: new Uint8Array(value) } };
  yield { message: { case: "stdinEnd" as const, value: true } };
}

async function copyInto(container: Container, from: string, to: string): Promise<void> {
  const clean = posix.normalize(to).replace(/(?<=.)\/+$/, "");
  const isInside = to.endsWith("/") || await container.succeeds(["test", "-d", clean]);
  const source = await Deno.realPath(from).catch((error: Error) => {
    throw new Problem(`Cannot copy ${from} as it must be a file or a folder that can be read: ${error.message}`);
  });
  const target = isInside ? posix.join(clean, basename(source)) : clean;
  const command = ["tar", "-xmf", "-", "-C", posix.dirname(target)];
  for await (const _ of container.run(command, archive(from, posix.basename(target))));
}

/** A file or a folder with all that is in it, under a name of its own. */
async function* archive(path: string, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* archiveOf(path, name);
  yield formatEnd();
}

async function* archiveOf(path: string, name: string): AsyncGenerator<Uint8Array, void, undefined> {
  const { isFile, isDirectory, size, mode, mtime } = await Deno.stat(path);
  const common = { name, mode: (mode ?? 0o644) & 0o7777, mtime: (mtime?.getTime() ?? 0) / 1000 };
  if (isFile) {
    yield formatHeader({ ...common, type: "file", size });
    yield* dataOf(path, size);
    yield padding(size);
  } else if (isDirectory) {
    yield formatHeader({ ...common, type: "directory", size: 0 });
    for await (const entry of Deno.readDir(path)) {
      // A link may lead round in a circle.
      if (entry.isSymlink) console.error(`Left out, as it is a link: ${join(path, entry.name)}`);
      else yield* archiveOf(join(path, entry.name), posix.join(name, entry.name));
    }
  } else {
    console.error(`Left out, as it is neither file nor folder: ${path}`);
  }
}

/** As many bytes as were announced: a file that grows meanwhile has more, one that shrinks fails. */
async function* dataOf(path: string, size: number): AsyncGenerator<Uint8Array, void, undefined> {
  using file = await Deno.open(path);
  for (let left = size; left > 0;) {
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, left));
    const read = await file.read(buffer);
    if (read === null) throw new Problem(`${path} has become shorter while it was copied.`);
    left -= read;
    yield buffer.subarray(0, read);
  }
}

async function copyOut(container: Container, from: string, to: string): Promise<void> {
  const clean = posix.normalize(from).replace(/(?<=.)\/+$/, "");
  const name = posix.basename(clean) || ".";
  const writer = new Writer(name, to);
  const reader = new TarReader();
  const command = ["tar", "-cf", "-", "-C", posix.dirname(clean), name];
  try {
    for await (const data of container.run(command)) {
      for (const event of reader.push(data)) {
        if (event.kind === "entry") await writer.begin(event.entry);
        else await writer.write(event.data);
      }
    }
  } finally {
    writer.end();
  }
  if (!reader.isWhole) throw new Problem("The archive from the container ended early.");
}

/** Writes what comes out of a container, which is trusted with nothing: only below the target, and no links. */
class Writer {
  readonly #name: string;
  readonly #target: string;
  #file: Deno.FsFile | undefined;

  constructor(name: string, target: string) {
    this.#name = name;
    this.#target = target;
  }

  async begin({ name, type, mode }: TarEntry): Promise<void> {
    this.end();
    const path = await this.#pathOf(name, type);
    if (type === "other") console.error(`Left out, as it is neither file nor folder: ${name}`);
    if (type === "directory") await Deno.mkdir(path, { recursive: true });
    if (type !== "file") return;
    await Deno.mkdir(dirname(path), { recursive: true });
    this.#file = await Deno.open(path, { write: true, create: true, truncate: true, mode: mode & 0o777 });
  }

  async write(data: Uint8Array): Promise<void> {
    for (let at = 0; this.#file !== undefined && at < data.length;) at += await this.#file.write(data.subarray(at));
  }

  end(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  async #pathOf(name: string, type: TarEntry["type"]): Promise<string> {
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (this.#name !== ".") {
      if (parts[0] !== this.#name) {
        throw new Problem(`The archive from the container holds "${name}", which was not asked for.`);
      }
      parts.shift();
    }
    if (parts.includes("..")) {
      throw new Problem(`The archive from the container holds "${name}", which leads elsewhere.`);
    }
    if (parts.length > 0) return join(this.#target, ...parts);
    const isFolder = (await Deno.stat(this.#target).catch(() => undefined))?.isDirectory === true;
    return type === "file" && isFolder ? join(this.#target, this.#name) : this.#target;
  }
}
