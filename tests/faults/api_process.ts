/** The API over the store in a folder, as a process of its own that can be killed: see `api_victim.ts`. */
import { fileURLToPath } from "node:url";
import type { EngineName } from "@k3ts/ffi";

export const VICTIM: string = fileURLToPath(new URL("./api_victim.ts", import.meta.url));

export interface ApiProcessOptions {
  /** Has the store, and the socket. */
  path: string;
  engine: EngineName;
  /** A command that runs it, such as nsenter with its options. */
  wrap?: readonly string[];
  /** @default none */
  v8Flags?: readonly string[];
}

export class ApiProcess implements AsyncDisposable {
  isAlive = true;
  readonly #ended: Promise<void>;

  private constructor(
    readonly child: Deno.ChildProcess,
    readonly words: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  ) {
    this.#ended = child.status.then(() => {
      this.isAlive = false;
    });
  }

  /** Started and ready. */
  static async start({ path, engine, wrap = [], v8Flags = [] }: ApiProcessOptions): Promise<ApiProcess> {
    const flags = v8Flags.length === 0 ? [] : [`--v8-flags=${v8Flags.join(",")}`];
    const words = [...wrap, Deno.execPath(), "run", "-A", ...flags, VICTIM, path, engine];
    const child = new Deno.Command(words[0]!, {
      args: words.slice(1),
      stdout: "piped",
      stderr: "inherit",
      env: { MALLOC_ARENA_MAX: "2" },
    }).spawn();
    const started = new ApiProcess(child, child.stdout.getReader());
    const { done } = await started.words.read();
    if (done) throw new Error(`${VICTIM} has ended with exit ${(await child.status).code}`);
    return started;
  }

  async kill(): Promise<void> {
    if (this.isAlive) this.child.kill("SIGKILL");
    await this.#ended;
    await this.words.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
