/**
 * A cluster of several machines for a test, on one: each has its network namespace, and a cable to a switch that is a
 * namespace, too. The first runs `k3ts up` (or `k3ts server`), the others join it by `k3ts agent`, each as a person
 * would type it. Everything is gone afterwards, whatever happened.
 *
 * ```ts
 * await using nodes = await TestNodes.start({ agents: 2 });
 * await nodes.kubectl("get", "nodes");
 * await nodes.machine("n2").run(["ip", "route"]);
 * await nodes.cut("n2");
 * ```
 */
import { type Quality, RelayedLink } from "./link.ts";
import { eventually, type Output, type ProcessName, TestMachine } from "./machine.ts";
import { freshName, mustRun, networkOf, sweep, sweepDeadRuns } from "./sweep.ts";

const NETWORK = "192.168.77";
const PORT = 6443;
const SWITCH = "switch";

export interface NodesOptions {
  /** Machines beside the first: n2, n3, … @default 1 */
  agents?: number;
  /** How the first machine, n1, is started: with a node on it, or without. @default "up" */
  first?: "up" | "server";
  /** More options of `k3ts up` or `k3ts server`. */
  firstOptions?: readonly string[];
  /** More options of `k3ts agent`. */
  agentOptions?: readonly string[];
  /** Cables that {@link TestNodes.impair} can make slow and lossy. @default cables of the kernel's, which cannot */
  relayed?: boolean;
  /** Gives each machine a disk of this size for its data directory. @default none of its own */
  diskMegabytes?: number;
  /** Told the name of everything that is about to be made, before it is. */
  onMade?: (test: string) => void | Promise<void>;
}

export class TestNodes implements AsyncDisposable {
  readonly #machines: TestMachine[] = [];
  readonly #links = new Map<string, RelayedLink>();

  private constructor(readonly test: string, readonly options: NodesOptions) {}

  /** All of them started, and Ready. @throws with the logs of all machines when they do not get there */
  static async start(options: NodesOptions = {}): Promise<TestNodes> {
    const nodes = await TestNodes.prepare(options);
    try {
      await nodes.startFirst();
      for (const machine of nodes.agents) await nodes.join(machine.name);
      await nodes.areReady();
      return nodes;
    } catch (error) {
      const logs = await nodes.logs();
      await nodes[Symbol.asyncDispose]();
      throw new Error(`${error instanceof Error ? error.message : error}\n${logs}`, { cause: error });
    }
  }

  /** Machines and their cables; nothing runs yet. */
  static async prepare(options: NodesOptions = {}): Promise<TestNodes> {
    await sweepDeadRuns();
    const nodes = new TestNodes(await freshName(), options);
    await options.onMade?.(nodes.test);
    try {
      await nodes.#lay();
      return nodes;
    } catch (error) {
      await nodes[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #lay(): Promise<void> {
    const hub = networkOf(this.test, SWITCH);
    await mustRun(["ip", "netns", "add", hub]);
    await mustRun(["ip", "-n", hub, "link", "add", SWITCH, "type", "bridge"]);
    await mustRun(["ip", "-n", hub, "link", "set", SWITCH, "up"]);
    for (let number = 1; number <= (this.options.agents ?? 1) + 1; number++) await this.addMachine(`n${number}`);
  }

  /** One more machine, on which nothing runs yet. */
  async addMachine(name: string): Promise<TestMachine> {
    const machine = await TestMachine.make(name, this.test);
    this.#machines.push(machine);
    machine.kubeconfig = this.first.kubeconfig;
    if (this.options.diskMegabytes !== undefined) await machine.putOnDisk(this.options.diskMegabytes);
    const hub = networkOf(this.test, SWITCH);
    const { namespace } = machine;
    if (this.options.relayed) {
      const ends = [{ namespace, interface: "eth0" }, { namespace: hub, interface: name }] as const;
      this.#links.set(name, await RelayedLink.make(ends, this.#machines.length));
    } else {
      await mustRun(["ip", "-n", namespace, "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", hub]);
    }
    await mustRun(["ip", "-n", namespace, "address", "add", `${this.addressOf(name)}/24`, "dev", "eth0"]);
    await mustRun(["ip", "-n", namespace, "link", "set", "eth0", "up"]);
    await mustRun(["ip", "-n", hub, "link", "set", name, "up"]);
    await this.restore(name);
    return machine;
  }

  /** Runs `k3ts up` or `k3ts server` on the first machine. */
  async startFirst(...options: string[]): Promise<void> {
    const { first } = this;
    const command = this.options.first ?? "up";
    const words = [command, "--data-dir", first.dataDir, "--listen", this.addressOf(first.name)];
    if (command === "up") words.push("--node-name", first.name, "--cgroup-parent", first.cgroup);
    const ready = command === "up" ? /^k3ts is ready/ : /^The control plane serves/;
    await first.start([...words, ...this.options.firstOptions ?? [], ...options], ready);
  }

  /** Runs `k3ts agent` on a machine that joins with a token, or has joined before. */
  async join(name: string, ...options: string[]): Promise<void> {
    const machine = this.machine(name);
    const own = ["--data-dir", machine.dataDir, "--node-name", name, "--cgroup-parent", machine.cgroup];
    const words = ["agent", "--server", this.server, ...own, ...this.options.agentOptions ?? [], ...options];
    const joined = await Deno.stat(`${machine.dataDir}/node/node.crt`).then(() => true, () => false);
    if (!joined) words.push("--token", await this.token());
    await machine.start(words, /^This machine is the node \S+ of \S+, and Ready\.$/);
  }

  /** A fresh one. */
  async token(): Promise<string> {
    return (await this.first.k3ts("token", "create")).trim();
  }

  get server(): string {
    return `https://${this.addressOf(this.first.name)}:${PORT}`;
  }

  /** The one with the server. */
  get first(): TestMachine {
    return this.#machines[0]!;
  }

  get agents(): readonly TestMachine[] {
    return this.#machines.slice(1);
  }

  machine(name: string): TestMachine {
    const found = this.#machines.find((machine) => machine.name === name);
    if (found === undefined) throw new Error(`There is no machine "${name}"`);
    return found;
  }

  /** Of a machine, in the network that all of them are in: n2 has 192.168.77.2. */
  addressOf(name: string): string {
    return `${NETWORK}.${name.slice(1)}`;
  }

  /** Waits until every machine with a node on it, or each of these, is a Ready node. */
  async areReady(...names: string[]): Promise<void> {
    const all = this.options.first === "server" ? this.agents : this.#machines;
    const wanted = names.length > 0 ? names : all.map(({ name }) => name);
    await eventually(
      () => this.kubectl("wait", "--for=condition=Ready", "--timeout=1s", ...wanted.map((name) => `node/${name}`)),
      60,
    );
  }

  /** Unmodified kubectl, on the first machine. */
  kubectl(...words: string[]): Promise<string> {
    return this.first.kubectl(...words);
  }

  k3ts(...words: string[]): Promise<string> {
    return this.first.k3ts(...words);
  }

  /** In a machine's network. */
  run(name: string, words: string[], options?: Parameters<TestMachine["run"]>[1]): Promise<Output> {
    return this.machine(name).run(words, options);
  }

  pidOf(process: ProcessName, name: string): Promise<number> {
    return this.machine(name).pidOf(process);
  }

  /** Pulls a machine's cable out of the switch: what it sends, and what is for it, is lost without a word. */
  async cut(name: string): Promise<void> {
    await mustRun(["ip", "-n", networkOf(this.test, SWITCH), "link", "set", name, "nomaster"]);
  }

  async restore(name: string): Promise<void> {
    await mustRun(["ip", "-n", networkOf(this.test, SWITCH), "link", "set", name, "master", SWITCH]);
  }

  /** Makes a machine's cable slow or lossy, or as good as it was. @throws where cables are the kernel's */
  async impair(name: string, quality: Quality): Promise<void> {
    const link = this.#links.get(name);
    if (link === undefined) {
      throw new Error(`Cannot impair the cable of ${name} as it must be relayed: see the options`);
    }
    await link.become(quality);
  }

  /** The ends of the logs of all machines, for a failure's message. */
  async logs(): Promise<string> {
    return (await Promise.all(this.#machines.map((machine) => machine.logs()))).join("\n");
  }

  /** Ends all machines in order: nodes first, so that none sees its server go. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.agents.map((machine) => machine.stop()));
    await Promise.allSettled(this.#machines.slice(0, 1).map((machine) => machine.stop()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await Promise.allSettled([...this.#links.values()].map((link) => link[Symbol.asyncDispose]()));
    await sweep(this.test);
  }
}
