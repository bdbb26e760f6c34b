/** What `exec` and `attach` share: our standard streams or terminal joined with those of a process in a container. */
import { writeAll } from "../output/write.ts";
import { Problem } from "../problem.ts";

export interface SessionOptions {
  stdin: boolean;
  tty: boolean;
}

interface Size {
  columns: number;
  rows: number;
}

/** What goes to the process, beside the start. */
export type InputMessage =
  | { message: { case: "stdin"; value: Uint8Array<ArrayBuffer> } }
  | { message: { case: "resize"; value: Size } }
  | { message: { case: "stdinEnd"; value: true } };

interface Response {
  message: { case: "stdout" | "stderr"; value: Uint8Array } | { case: "exitCode"; value: number } | {
    case: undefined;
    value?: undefined;
  };
}

/**
 * Until the process has ended.
 * @param start makes the first message; told the size of the terminal, if there is one
 * @returns its exit code; undefined when the stream ended without one
 */
export async function joinProcess<S>(
  { stdin, tty }: SessionOptions,
  start: (size: Size | undefined) => S,
  call: (requests: AsyncIterable<S | InputMessage>) => AsyncIterable<Response>,
): Promise<number | undefined> {
  if (tty && !Deno.stdin.isTerminal()) {
    throw new Problem("A terminal can only be passed on where there is one: leave -t out.");
  }
  const input = new Input();
  const onResize = () => void input.put({ message: { case: "resize", value: Deno.consoleSize() } });
  if (tty) {
    Deno.stdin.setRaw(true);
    Deno.addSignalListener("SIGWINCH", onResize);
  }
  if (stdin) readInto(input);
  try {
    for await (const { message } of call(input.after(start(tty ? Deno.consoleSize() : undefined)))) {
      if (message.case === "stdout") writeAll(Deno.stdout, message.value);
      if (message.case === "stderr") writeAll(Deno.stderr, message.value);
      if (message.case === "exitCode") return message.value;
    }
    return undefined;
  } finally {
    input.end();
    if (tty) {
      Deno.removeSignalListener("SIGWINCH", onResize);
      Deno.stdin.setRaw(false);
    }
  }
}

/** What goes to the process, as it comes. */
class Input {
  #queue: InputMessage[] = [];
  #wake = Promise.withResolvers<void>();
  #taken = Promise.withResolvers<void>();
  #ended = false;

  /** Resolves when it has been taken: whoever types faster than the container reads has to wait. */
  put(message: InputMessage): Promise<void> {
    this.#queue.push(message);
    this.#wake.resolve();
    return this.#taken.promise;
  }

  end(): void {
    this.#ended = true;
    this.#wake.resolve();
  }

  async *after<S>(start: S): AsyncGenerator<S | InputMessage, void, undefined> {
    yield start;
    while (!this.#ended) {
      await this.#wake.promise;
      this.#wake = Promise.withResolvers();
      yield* this.#queue.splice(0);
      this.#taken.resolve();
      this.#taken = Promise.withResolvers();
    }
  }
}

/** Runs for as long as the process does, if nobody ends the input. */
async function readInto(input: Input): Promise<void> {
  for await (const data of Deno.stdin.readable) await input.put({ message: { case: "stdin", value: data } });
  await input.put({ message: { case: "stdinEnd", value: true } });
}
