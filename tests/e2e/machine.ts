/**
 * A machine for a test: a network namespace, a data directory and a cgroup of its own on this machine, where `k3ts`
 * is run as a person would type it.
 */
import { delay } from "@k3ts/client";
import { ensureKubectl } from "@k3ts/tools/kubectl";
import { eachLine } from "@k3ts/tools/lines";
import { ROOT } from "@k3ts/tools/paths";
import { end } from "@k3ts/tools/run";
import { Clock, ensureTestPrograms } from "./native.ts";
import { cgroupOf, folderOf, hasEnded, kill, mountsBelow, mustRun, networkOf, processesOf } from "./sweep.ts";

export { ROOT };

const READY_MS_MAX = 120_000;
const STOP_MS_MAX = 30_000;

export interface Output {
  code: number;
  stdout: string;
  stderr: string;
}

export type ProcessName = "supervisor" | "gateway" | "server" | "plugins" | "agent" | "dataplane";

export class TestMachine {
  /** Of the network. */
  readonly namespace: string;
  readonly dataDir: string;
  readonly cgroup: string;
  /** More of the environment of what {@link start} runs. */
  environment: Record<string, string> = {};
  /** Where the admin's kubeconfig is that `kubectl` and `k3ts` use. */
  kubeconfig: string;
  #running: Deno.ChildProcess | undefined;
  #said: string[] = [];
  #read: Promise<void> | undefined;

  protected constructor(
    readonly name: string,
    /** The name that everything of its test begins with. */
    readonly test: string,
    /** Of another version where a test sets it. */
    public kubectlPath: string,
  ) {
    this.namespace = networkOf(test, name);
    this.dataDir = folderOf(test, name);
    this.cgroup = cgroupOf(test, name);
    this.kubeconfig = `${this.dataDir}/admin.kubeconfig`;
  }

  /** One that another process has made. */
  static at(name: string, test: string, kubectlPath = "kubectl"): TestMachine {
    return new TestMachine(name, test, kubectlPath);
  }

  /** With nothing but a loopback; nothing runs yet. */
  static async make(name: string, test: string): Promise<TestMachine> {
    const machine = new TestMachine(name, test, await ensureKubectl());
    await machine.prepare();
    return machine;
  }

  protected async prepare(): Promise<void> {
    await Deno.mkdir(this.dataDir, { recursive: true, mode: 0o700 });
    await mustRun(["ip", "netns", "add", this.namespace]);
    await mustRun(["ip", "-n", this.namespace, "link", "set", "lo", "up"]);
  }

  /** Puts the data directory, which is empty yet, on a disk of its own. */
  async putOnDisk(megabytes: number): Promise<void> {
    const disk = `${this.dataDir}.disk`;
    await mustRun(["truncate", "--size", `${megabytes}M`, disk]);
    await mustRun(["mkfs.ext4", "-q", "-m", "0", disk]);
    await mustRun(["mount", "-o", "loop", disk, this.dataDir]);
    await Deno.remove(`${this.dataDir}/lost+found`);
    await Deno.chmod(this.dataDir, 0o700);
  }

  /** Leaves no room on the disk that {@link putOnDisk} has made. */
  async fillDisk(): Promise<void> {
    // To the last block: what is left when fallocate(1) refuses is taken piece by piece.
    const script = 'fallocate -l "$(df -B1 --output=avail "$1" | tail -1)" "$1/ballast"; cat /dev/zero >> "$1/ballast"';
    await this.run(["sh", "-c", script, "sh", this.dataDir]);
  }

  async freeDisk(): Promise<void> {
    await Deno.remove(`${this.dataDir}/ballast`);
  }

  /** Lets the clocks of all that {@link start} runs be shifted, and their children's, but for what is linked statically. */
  async shiftableClock(): Promise<Clock> {
    const { clock } = await ensureTestPrograms();
    const file = `${this.dataDir}.clock`;
    this.environment = { ...this.environment, LD_PRELOAD: clock, K3TS_TEST_CLOCK: file };
    return await Clock.make(file);
  }

  /** What the command in the foreground has said. */
  get said(): string {
    return this.#said.join("\n");
  }

  /**
   * Runs `k3ts` in the foreground, until it says that it is ready.
   * @throws with all that it said when it does not get there
   */
  async start(words: string[], ready: RegExp, input?: string): Promise<void> {
    this.#said = [];
    const what = `k3ts ${words[0]} on ${this.name}`;
    const stdin = input === undefined ? "null" : "piped";
    const child = this.#running = this.command(this.k3tsCommand(...words), { stdin, env: this.environment })
      .spawn();
    if (input !== undefined) await write(child, input);
    const { promise: isReady, resolve } = Promise.withResolvers<void>();
    const onLine = (line: string) => {
      this.#said.push(line);
      if (ready.test(line)) resolve();
    };
    this.#read = Promise.all([child.stdout, child.stderr].map((stream) => eachLine(stream, onLine))).then(() => {});
    const ended = child.status.then(async ({ code }) => {
      await this.#read;
      throw new Error(`${what} ended with exit ${code}:\n${this.said}`);
    });
    ended.catch(() => {}); // only of interest until it is ready
    const inTime = new AbortController();
    const late = delay(READY_MS_MAX, inTime.signal).then(async () => {
      throw new Error(`${what} was not ready within ${READY_MS_MAX / 1000} s:\n${this.said}\n${await this.logs()}`);
    });
    late.catch(() => {}); // rejects when it was in time
    try {
      await Promise.race([isReady, ended, late]);
    } finally {
      inTime.abort();
    }
  }

  /** Waits until the command in the foreground has said this. */
  async says(text: string): Promise<void> {
    await eventually(() => {
      if (!this.said.includes(text)) throw new Error(`k3ts did not say "${text}" but:\n${this.said}`);
    }, READY_MS_MAX / 1000);
  }

  /** As Ctrl-C does. @returns the exit code of the command in the foreground */
  async interrupt(): Promise<number> {
    this.#running!.kill("SIGINT");
    return await this.#ended();
  }

  /** The command in the foreground itself is killed; what it started goes on. */
  async killUp(): Promise<void> {
    this.#running!.kill("SIGKILL");
    await this.#ended();
  }

  async #ended(): Promise<number> {
    const { code } = await this.#running!.status;
    await this.#read;
    this.#running = undefined;
    return code;
  }

  /** A program on the machine: in its network. */
  command(words: string[], options: Deno.CommandOptions = {}): Deno.Command {
    return new Deno.Command("nsenter", {
      args: [`--net=/run/netns/${this.namespace}`, ...words],
      stdout: "piped",
      stderr: "piped",
      ...options,
      env: { KUBECONFIG: this.kubeconfig, NO_COLOR: "1", ...options.env },
    });
  }

  async run(words: string[], options: Deno.CommandOptions & { input?: string } = {}): Promise<Output> {
    const { input, ...rest } = options;
    const child = this.command(words, { ...rest, stdin: input === undefined ? "null" : "piped" }).spawn();
    if (input !== undefined) await write(child, input);
    const { code, stdout, stderr } = await child.output();
    return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
  }

  /** Unmodified kubectl. @throws with what it said when it fails */
  async kubectl(...words: string[]): Promise<string> {
    return succeeded(["kubectl", ...words], await this.run([this.kubectlPath, ...words]));
  }

  /** `kubectl apply` of objects. */
  async apply(...objects: object[]): Promise<string> {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    return succeeded(["kubectl", "apply"], await this.run([this.kubectlPath, "apply", "-f", "-"], { input }));
  }

  async k3ts(...words: string[]): Promise<string> {
    return succeeded(["k3ts", ...words], await this.tryK3ts(...words));
  }

  /** Whatever comes of it. */
  tryK3ts(...words: string[]): Promise<Output> {
    return this.run(this.k3tsCommand(...words));
  }

  /** The words of a command, for a command that runs it. */
  k3tsCommand(...words: string[]): string[] {
    return [Deno.execPath(), "run", "--quiet", "-A", "--config", `${ROOT}/deno.json`, `${ROOT}/ctl/main.ts`, ...words];
  }

  /** Pods with the ids and restart counts of their containers: what must not change when nothing was to happen. */
  async containers(selector: string): Promise<string> {
    const template =
      '{range .items[*]}{.metadata.name}{range .status.containerStatuses[*]} {.containerID} {.restartCount}{end}{"\\n"}{end}';
    return (await this.kubectl("get", "pods", "-l", selector, "-o", `jsonpath=${template}`)).trim();
  }

  /** The number of one of our processes. @throws when it does not run */
  async pidOf(name: ProcessName): Promise<number> {
    if (name === "supervisor") return Number(await Deno.readTextFile(`${this.dataDir}/lock`));
    if (name === "plugins") {
      const children = await Deno.readTextFile(await childrenFile(await this.pidOf("server")));
      return Number(children.trim().split(" ")[0]);
    }
    const found = (await this.#processes()).find(({ process }) => process.name === name);
    if (found === undefined) throw new Error(`The process ${name} does not run on ${this.name}`);
    return found.pid;
  }

  /** The numbers of all processes that the supervisor has written down, and its own. */
  async pids(): Promise<number[]> {
    return [await this.pidOf("supervisor"), ...(await this.#processes()).map(({ pid }) => pid)];
  }

  async #processes(): Promise<{ process: { name: string }; pid: number }[]> {
    return JSON.parse(await Deno.readTextFile(`${this.dataDir}/run/processes.json`)).processes;
  }

  /** A program in a container of a pod of this machine: in its network, its files and its name. */
  async runInPod(uid: string, words: string[], options?: { input?: string }): Promise<Output> {
    const pid = `${await this.#containerOf(uid)}`;
    return await this.run(["nsenter", "--target", pid, "--net", "--mount", "--uts", "--", ...words], options);
  }

  /** A program of this machine in the network of a pod: what an image would hold that has it. */
  async commandInPodNetwork(uid: string, words: string[]): Promise<Deno.Command> {
    return this.command(["nsenter", "--target", `${await this.#containerOf(uid)}`, "--net", "--", ...words], {
      stdin: "null",
    });
  }

  async #containerOf(uid: string): Promise<number> {
    const folder = `${this.dataDir}/node/containers`;
    for await (const { name } of Deno.readDir(folder)) {
      const record = JSON.parse(await Deno.readTextFile(`${folder}/${name}/record.json`)) as { podUid: string };
      const pid = parseInt(await Deno.readTextFile(`${folder}/${name}/pid`));
      if (record.podUid === uid && !await hasEnded(pid)) return pid;
    }
    throw new Error(`No container of pod ${uid} runs on ${this.name}`);
  }

  /** Of the containers' own processes, those that live. */
  containerPids(): Promise<number[]> {
    return this.#pidFiles("pid");
  }

  shimPids(): Promise<number[]> {
    return this.#pidFiles("shim.pid");
  }

  async #pidFiles(file: string): Promise<number[]> {
    const pids: number[] = [];
    for await (const { name } of Deno.readDir(`${this.dataDir}/node/containers`)) {
      const text = await readTextIfThere(`${this.dataDir}/node/containers/${name}/${file}`);
      if (text !== undefined) pids.push(parseInt(text));
    }
    // The number of one that has ended may be somebody else's by now.
    const own = new Set(await processesOf(this.test, this.name));
    return pids.filter((pid) => own.has(pid));
  }

  /** What is mounted below the data directory, the innermost first. */
  mounts(): Promise<string[]> {
    return mountsBelow(this.dataDir);
  }

  /** Network interfaces of ours. */
  async links(): Promise<string[]> {
    const { stdout } = await this.run(["ip", "-json", "link"]);
    const names = (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname);
    return names.filter((name) => name !== "lo" && name !== "eth0");
  }

  /**
   * As a loss of power: all processes, mounts, links, routes and rules end at once, and the kernel's boot is another.
   * @param options `torn`: of what was written without waiting for the disk nothing but the names is there
   */
  async losePower(options: { torn?: boolean } = {}): Promise<void> {
    const pids = [...await this.pids(), ...await this.containerPids(), ...await this.shimPids()];
    await this.killUp();
    for (const pid of pids) kill(pid);
    await eventually(async () => {
      const left = (await Promise.all(pids.map(async (pid) => await hasEnded(pid) ? [] : [pid]))).flat();
      if (left.length > 0) throw new Error(`The processes ${left.join(", ")} live on`);
    });
    for (const target of await this.mounts()) await mustRun(["umount", "--lazy", target]);
    for (const link of await this.links()) await this.run(["ip", "link", "delete", link]);
    succeeded(["nft"], await this.run(["nft", "flush", "ruleset"]));
    // What our processes have written down is of a boot before this one.
    const boot = (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
    const replace = `grep -rlIF ${boot} "$1/run" "$1/node" | xargs -r sed -i s/${boot}/${crypto.randomUUID()}/`;
    succeeded(["sed"], await this.run(["sh", "-c", replace, "sh", this.dataDir]));
    if (options.torn !== true) return;
    const folders = ["node/containers", "node/sandboxes", "node/pods", "run/runtime/containers"];
    const files = folders.map((folder) => `${this.dataDir}/${folder}`);
    await mustRun(["find", ...files, "-maxdepth", "2", "-name", "*.json", "-exec", "truncate", "--size=0", "{}", "+"]);
  }

  /** The ends of all logs, for a failure's message. */
  async logs(): Promise<string> {
    const texts: string[] = [];
    if (!await Deno.stat(`${this.dataDir}/logs`).then(() => true, () => false)) return "";
    for await (const { name } of Deno.readDir(`${this.dataDir}/logs`)) {
      const lines = (await Deno.readTextFile(`${this.dataDir}/logs/${name}`)).trim().split("\n");
      texts.push(`--- ${this.name} ${name}\n${lines.slice(-20).join("\n")}`);
    }
    return texts.join("\n");
  }

  /** Stops everything on it in order, as far as that is possible; what is left is for `sweep`. */
  async stop(): Promise<void> {
    const child = this.#running;
    if (child !== undefined) {
      await end(child, { signal: "SIGINT", msMax: STOP_MS_MAX });
      await this.#ended();
    }
    await this.run(this.k3tsCommand("down", "--data-dir", this.dataDir, "--containers"));
  }
}

async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function write(child: Deno.ChildProcess, input: string): Promise<void> {
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
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
    await delay(100);
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
