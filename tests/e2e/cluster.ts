/**
 * A cluster of one node for a test: `k3ts up` as a person would type it, in a network namespace and a data
 * directory of its own, gone without a trace afterwards.
 */
import { delay } from "@k3ts/client";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureKubectl } from "@k3ts/tools/kubectl";
import { TextLineStream } from "@k3ts/tools/lines";

export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 30_000;

export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

export type ProcessName = "supervisor" | "gateway" | "server" | "plugins" | "agent" | "dataplane";

export class TestCluster implements AsyncDisposable {
  #up: Deno.ChildProcess | undefined;
  #said: string[] = [];
  #read: Promise<void> | undefined;

  private constructor(
    /** Of the network. */
    readonly namespace: string,
    readonly dataDir: string,
    readonly kubectlPath: string,
  ) {}

  /** Started and ready. */
  static async start(...options: string[]): Promise<TestCluster> {
    const cluster = await TestCluster.prepare();
    try {
      await cluster.up(...options);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A place for a cluster that has not been started. */
  static async prepare(): Promise<TestCluster> {
    const kubectl = await ensureKubectl();
    const dataDir = await Deno.makeTempDir({ prefix: "k3ts-e2e-" });
    const namespace = dataDir.slice(dataDir.lastIndexOf("/") + 1);
    await mustRun(["ip", "netns", "add", namespace]);
    await mustRun(["ip", "-n", namespace, "link", "set", "lo", "up"]);
    return new TestCluster(namespace, dataDir, kubectl);
  }

  get said(): string {
    return this.#said.join("\n");
  }

  /** `k3ts up`, until it says that it is ready. @throws with all that it said when it does not get there */
  async up(...options: string[]): Promise<void> {
    this.#said = [];
    this.#up = this.command(this.#k3ts(["up", "--data-dir", this.dataDir, "--node-name", "n1", ...options]), {
      stdin: "null",
    }).spawn();
    const { promise: ready, resolve } = Promise.withResolvers<void>();
    this.#read = Promise.all([this.#up.stdout, this.#up.stderr].map((stream) => this.#listen(stream, resolve))).then(
      () => {},
    );
    const ended = this.#up.status.then(({ code }) => {
      throw new Error(`k3ts up ended with exit ${code}:\n${this.said}`);
    });
    ended.catch(() => {}); // only of interest until it is ready
    const inTime = new AbortController();
    const late = delay(READY_MS_MAX, inTime.signal).then(async () => {
      throw new Error(`k3ts up was not ready within ${READY_MS_MAX / 1000} s:\n${this.said}\n${await this.logs()}`);
    });
    late.catch(() => {});
    try {
      await Promise.race([ready, ended, late]);
    } finally {
      inTime.abort();
    }
  }

  async #listen(stream: ReadableStream<Uint8Array<ArrayBuffer>>, onReady: () => void): Promise<void> {
    for await (const line of stream.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
      this.#said.push(line);
      if (line.startsWith("k3ts is ready")) onReady();
    }
  }

  /** Waits until `k3ts up` has said this. */
  async says(text: string): Promise<void> {
    await eventually(() => {
      if (!this.said.includes(text)) throw new Error(`k3ts up did not say "${text}" but:\n${this.said}`);
    }, READY_MS_MAX / 1000);
  }

  /** As Ctrl-C does. @returns the exit code of `k3ts up` */
  async interrupt(): Promise<number> {
    this.#up!.kill("SIGINT");
    const { code } = await this.#up!.status;
    await this.#read;
    this.#up = undefined;
    return code;
  }

  /** `k3ts up` itself is killed; what it started goes on. */
  async killUp(): Promise<void> {
    this.#up!.kill("SIGKILL");
    await this.#up!.status;
    await this.#read;
    this.#up = undefined;
  }

  /** A program on the node: in its network. */
  command(words: string[], options: Deno.CommandOptions = {}): Deno.Command {
    return new Deno.Command("nsenter", {
      args: [`--net=/run/netns/${this.namespace}`, ...words],
      stdout: "piped",
      stderr: "piped",
      ...options,
      env: { KUBECONFIG: `${this.dataDir}/admin.kubeconfig`, NO_COLOR: "1", ...options.env },
    });
  }

  async run(words: string[], options: Deno.CommandOptions & { input?: string } = {}): Promise<Output> {
    const { input, ...rest } = options;
    const child = this.command(words, { ...rest, stdin: input === undefined ? "null" : "piped" }).spawn();
    if (input !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
    }
    const { code, stdout, stderr } = await child.output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** Unmodified kubectl. @throws with what it said when it fails */
  async kubectl(...words: string[]): Promise<string> {
    return succeeded(["kubectl", ...words], await this.run([this.kubectlPath, ...words]));
  }

  async k3ts(...words: string[]): Promise<string> {
    return succeeded(["k3ts", ...words], await this.tryK3ts(...words));
  }

  /** Whatever comes of it. */
  tryK3ts(...words: string[]): Promise<Output> {
    return this.run(this.#k3ts(words));
  }

  /** The words of a command, for a command that runs it. */
  k3tsCommand(...words: string[]): string[] {
    return this.#k3ts(words);
  }

  #k3ts(words: string[]): string[] {
    return [Deno.execPath(), "run", "--quiet", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/ctl/main.ts`, ...words];
  }

  /** The number of one of our processes. @throws when it does not run */
  async pidOf(name: ProcessName): Promise<number> {
    if (name === "supervisor") return Number(await Deno.readTextFile(`${this.dataDir}/lock`));
    if (name === "plugins") {
      const children = await Deno.readTextFile(await childrenFile(await this.pidOf("server")));
      return Number(children.trim().split(" ")[0]);
    }
    const { processes } = JSON.parse(await Deno.readTextFile(`${this.dataDir}/run/processes.json`)) as {
      processes: { process: { name: string }; pid: number }[];
    };
    const found = processes.find(({ process }) => process.name === name);
    if (found === undefined) throw new Error(`The process ${name} does not run`);
    return found.pid;
  }

  /** The numbers of all processes that the supervisor has written down, and its own. */
  async pids(): Promise<number[]> {
    const { processes } = JSON.parse(await Deno.readTextFile(`${this.dataDir}/run/processes.json`)) as {
      processes: { pid: number }[];
    };
    return [await this.pidOf("supervisor"), ...processes.map(({ pid }) => pid)];
  }

  /** The ends of all logs, for a failure's message. */
  async logs(): Promise<string> {
    const texts: string[] = [];
    for await (const { name } of Deno.readDir(`${this.dataDir}/logs`)) {
      const lines = (await Deno.readTextFile(`${this.dataDir}/logs/${name}`)).trim().split("\n");
      texts.push(`--- ${name}\n${lines.slice(-20).join("\n")}`);
    }
    return texts.join("\n");
  }

  /** Stops everything and removes what is left, whatever state the test left it in. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#up !== undefined) {
      signalIfAlive(this.#up, "SIGINT");
      const late = new AbortController();
      const stopped = this.#up.status.finally(() => late.abort());
      delay(STOP_MS_MAX, late.signal).then(() => signalIfAlive(this.#up!, "SIGKILL"), () => {}); // rejects when it was in time
      await stopped;
      await this.#read;
    }
    await this.run(this.#k3ts(["down", "--data-dir", this.dataDir, "--containers"]));
    await mustRun(["ip", "netns", "delete", this.namespace]);
    await Deno.remove(this.dataDir, { recursive: true });
  }
}

function signalIfAlive(child: Deno.ChildProcess, name: Deno.Signal): void {
  try {
    child.kill(name);
  } catch (error) {
    // It has ended by itself.
    if (!(error instanceof TypeError)) throw error;
  }
}

/** Tries until it no longer throws. @throws the last error when the time is over */
export async function eventually<T>(attempt: () => Promise<T> | T, secondsMax = 30): Promise<T> {
  const deadline = Date.now() + secondsMax * 1000;
  while (true) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await delay(100, AbortSignal.timeout(1_000));
  }
}

async function childrenFile(pid: number): Promise<string> {
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${name}/children`;
    if ((await Deno.readTextFile(path)).trim() !== "") return path;
  }
  throw new Error(`Process ${pid} has no children`);
}

function succeeded(words: string[], { code, stdout, stderr }: Output): string {
  if (code !== 0) throw new Error(`${words.join(" ")} ended with exit ${code}:\n${stdout}${stderr}`);
  return stdout;
}

async function mustRun(words: string[]): Promise<void> {
  const [program, ...args] = words as [string, ...string[]];
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
