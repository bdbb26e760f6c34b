/** The native programs as they really run, under the supervisor, in a data directory of their own. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MessageInitShape, toJsonString } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { SupervisorConfigSchema, SupervisorService } from "@k3ts/proto";
import { createFrameTransport, streamChannel } from "@k3ts/proto/frames";

export type Config = MessageInitShape<typeof SupervisorConfigSchema>;

/** What the programs say is of interest when a test fails: then run it again with this set. */
const STDERR = Deno.env.has("K3TS_TEST_LOG") ? "inherit" : "null";
/** A machine under load included. */
const WITHIN_MS = 20_000;
const LOOK_EVERY_MS = 10;

export function nativeProgram(name: string): string {
  const checkout = fileURLToPath(new URL("../../.k3ts/native", import.meta.url));
  return join(Deno.env.get("K3TS_NATIVE") ?? checkout, name);
}

/** Waits until something holds, which is asked again and again; failures on the way count as "not yet". */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = performance.now() + WITHIN_MS;
  let last: unknown;
  while (performance.now() < deadline) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  throw new Error(`Cannot go on as within ${WITHIN_MS} ms this must be so: ${what}`, { cause: last });
}

/** A port that was free a moment ago. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

export function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(Deno.readTextFileSync(`/proc/${pid}/status`));
  } catch {
    return false;
  }
}

/** Calls over a program's unix socket. */
export async function dial(path: string): Promise<{ transport: Transport } & AsyncDisposable> {
  const channel = streamChannel(await Deno.connect({ transport: "unix", path }));
  return { transport: createFrameTransport(channel), [Symbol.asyncDispose]: () => channel.close() };
}

/** One supervisor and a connection to it. Disposed of, it stops what it runs and removes its folder. */
export class Supervised implements AsyncDisposable {
  #process: Deno.ChildProcess | undefined;
  #connection: AsyncDisposable | undefined;
  client!: Client<typeof SupervisorService>;

  private constructor(readonly folder: string) {}

  static async start(config: (folder: string) => Config): Promise<Supervised> {
    const supervised = new Supervised(await Deno.makeTempDir({ prefix: "k3ts-supervised-" }));
    await Deno.mkdir(join(supervised.folder, "run"));
    await supervised.writeConfig(config(supervised.folder));
    await supervised.launch();
    return supervised;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  async writeConfig(config: Config): Promise<void> {
    const json = toJsonString(SupervisorConfigSchema, create(SupervisorConfigSchema, config));
    await Deno.writeTextFile(this.path("run/supervisor.json"), json);
  }

  /** Starts a supervisor in the folder, the first or another after one that has ended. */
  async launch(): Promise<void> {
    await this.#connection?.[Symbol.asyncDispose]();
    this.#process = supervisor(this.folder, STDERR);
    const connection = await until("the supervisor answers", () => dial(this.path("run/supervisor.sock")));
    this.#connection = connection;
    this.client = createClient(SupervisorService, connection.transport);
  }

  /** As if it had never been, but for what it has started. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.status;
  }

  /** Waits for the end of a supervisor that was told to stop. */
  async ended(): Promise<Deno.CommandStatus | undefined> {
    return await this.#process?.status;
  }

  async process(name: string) {
    const { processes } = await this.client.getStatus({});
    return processes.find((process) => process.name === name);
  }

  /** The process of a name once it runs as another than `previous`. */
  async running(name: string, previous = 0) {
    return await until(`${name} runs`, async () => {
      const process = await this.process(name);
      return process?.running && process.pid !== previous && process;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const status = await Promise.race([this.#process?.status, Promise.resolve(undefined)]);
    if (status === undefined) {
      await this.client.stop({});
      await this.#process?.status;
    }
    await this.#connection?.[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** A supervisor by itself, for those that are to fail. */
export function supervisor(folder: string, stderr: "inherit" | "null" | "piped"): Deno.ChildProcess {
  return new Deno.Command(nativeProgram("k3ts-supervisor"), {
    args: ["--data-dir", folder],
    stdin: "null",
    stdout: "null",
    stderr,
  }).spawn();
}
