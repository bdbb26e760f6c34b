/** Joins a client, whatever protocol it speaks, with a process in a container. */
import type { Attachment } from "../runtime/attach.ts";

export interface Size {
  columns: number;
  rows: number;
}

/** The newest size of a terminal: what came before it is of no interest. */
export class LatestSize {
  #next: Size | undefined;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers();
  #ended = false;

  put(size: Size): void {
    this.#next = size;
    this.#wake.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  /** One that was not taken before; undefined when no more will come, or not in time. */
  async take(msMax?: number): Promise<Size | undefined> {
    if (this.#next === undefined && !this.#ended) {
      const timer = msMax === undefined ? undefined : setTimeout(() => this.#wake.resolve(), msMax);
      await this.#wake.promise;
      clearTimeout(timer);
    }
    if (!this.#ended) this.#wake = Promise.withResolvers();
    const size = this.#next;
    this.#next = undefined;
    return size;
  }

  get hasEnded(): boolean {
    return this.#ended;
  }
}

/** What is wanted of a process (core/v1 PodExecOptions and PodAttachOptions). */
export interface Wanted {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** The side of whoever asked. */
export interface CommandClient {
  /** Its input; missing where none was asked for. null at its end. */
  readonly stdin?: { read(): Promise<Uint8Array | null> };
  readonly sizes: LatestSize;
  /** Resolves once the client keeps up. What it did not ask for is dropped. @throws when it is gone */
  write(stream: "stdout" | "stderr", data: Uint8Array): Promise<void>;
  /** Tells how it ended, as the last that it hears. */
  finish(status: Status): Promise<void>;
  /** Resolves when it is gone. */
  readonly gone: Promise<void>;
}

/** A terminal's size comes on its own way: a program that starts at once would see none. */
const SIZE_MS_MAX = 500;

export interface Process {
  /** What failed, in the words of the status: `executing command in container`. */
  action: string;
  tty: boolean;
  open(size: Size | undefined): Promise<Attachment>;
  /** Of one that was there before and has no exit code for whoever watched it. */
  statusOf(code: number | undefined): Status;
}

/** Until the process has ended or the client is gone. */
export async function joinCommand(client: CommandClient, process: Process): Promise<void> {
  let attachment: Attachment;
  try {
    attachment = await process.open(process.tty ? await client.sizes.take(SIZE_MS_MAX) : undefined);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return await client.finish(failureStatus(`error ${process.action}: ${reason}`));
  }
  using running = attachment;
  client.gone.then(() => {
    client.sizes.end();
    running[Symbol.dispose]();
  });
  // Both end with the client or the process; what they could not deliver then is lost with it.
  feedInput(client, running).catch(() => {});
  feedSizes(client, running).catch(() => {});
  let code: number | undefined;
  try {
    for await (const one of running.output()) {
      if (one.stream === "exit") code = one.code;
      else await client.write(one.stream, one.data);
    }
  } finally {
    client.sizes.end();
    await client.finish(process.statusOf(code)).catch(() => {}); // who is gone need not hear it
  }
}

async function feedInput({ stdin }: CommandClient, process: Attachment): Promise<void> {
  if (stdin === undefined) return;
  for (let data = await stdin.read(); data !== null; data = await stdin.read()) {
    if (data.length > 0) await process.write(data);
  }
  await process.end();
}

async function feedSizes({ sizes }: CommandClient, process: Attachment): Promise<void> {
  while (!sizes.hasEnded) {
    const size = await sizes.take();
    if (size !== undefined) await process.resize(size.columns, size.rows);
  }
}

/** meta/v1 Status. */
export interface Status {
  metadata: Record<string, never>;
  status: "Success" | "Failure";
  reason?: string;
  message?: string;
  code?: number;
  details?: { causes: { reason: string; message: string }[] };
}

export const SUCCESS: Status = { metadata: {}, status: "Success" };

/** Of a process that was run, as kubectl reads the exit code from it. */
export function exitStatus(code: number | undefined): Status {
  if (code === 0) return SUCCESS;
  if (code === undefined) return failureStatus("the process ended without an exit code");
  return {
    metadata: {},
    status: "Failure",
    reason: "NonZeroExitCode",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

/** Of what went wrong on our side. */
export function failureStatus(message: string): Status {
  return {
    metadata: {},
    status: "Failure",
    reason: "InternalError",
    message: `Internal error occurred: ${message}`,
    code: 500,
    details: { causes: [{ reason: "", message }] },
  };
}

/** What is sent as the status: JSON from the fourth version of the protocol on, before it the words of a failure. */
export function formatStatus(status: Status, isJson: boolean): Uint8Array {
  const text = isJson ? JSON.stringify(status) : status.status === "Success" ? "" : status.message ?? "";
  return new TextEncoder().encode(text);
}

const SIZE_TEXT_MAX = 1024;

/** Reads sizes as clients write them: JSON objects, one after the other, in pieces of any length. */
export class SizeReader {
  readonly #decoder = new TextDecoder();
  #text = "";

  /** @throws {SyntaxError} when it is something else */
  push(data: Uint8Array): Size[] {
    this.#text += this.#decoder.decode(data, { stream: true });
    const sizes: Size[] = [];
    for (let end = this.#text.indexOf("}"); end !== -1; end = this.#text.indexOf("}")) {
      sizes.push(parseSize(this.#text.slice(0, end + 1)));
      this.#text = this.#text.slice(end + 1);
    }
    if (this.#text.length > SIZE_TEXT_MAX) throw new SyntaxError("a terminal's size must be a short JSON object");
    return sizes;
  }
}

/** As client-go writes it: `{"Width": 80, "Height": 24}`. */
function parseSize(text: string): Size {
  const { Width, Height } = JSON.parse(text) as { Width?: unknown; Height?: unknown };
  const number = (value: unknown) => typeof value === "number" && value > 0 ? Math.min(Math.trunc(value), 0xffff) : 0;
  return { columns: number(Width), rows: number(Height) };
}
