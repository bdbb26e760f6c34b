/** Everybody who uses a cluster while things fail: clients on each node, readers, and who rolls and scales. */
import { delay } from "@k3ts/client";
import { ok } from "node:assert/strict";
import type { TestMachine } from "../e2e/machine.ts";
import type { TestNodes } from "../e2e/nodes.ts";
import { provideImage } from "../e2e/workloads.ts";
import { randomFrom } from "../faults/random.ts";
import { FollowedLog, HeldExec } from "../kills/streams.ts";
import { Witness } from "../kills/witness.ts";
import { type FailedRequest, PATIENCE_MS, type Way } from "./excuses.ts";
import { Histories, LoadProcess } from "./load.ts";
import { deploy, pageOf, REPLICAS } from "./workload.ts";

const WRITERS = 4;
const REQUESTS_EVERY_MS = 250;
/** Between one change of the deployment and the next. */
const CHANGE_MS = [2_000, 6_000] as const;
const REPLICAS_MAX = 7;

/** A failure, and what was said. */
export interface Failed extends FailedRequest {
  message: string;
}

export interface Requests {
  succeeded: number;
  failures: Failed[];
}

export class Users implements AsyncDisposable {
  #changing: Promise<void> = Promise.resolve();
  #stop = new AbortController();
  changes = 0;

  private constructor(
    readonly nodes: TestNodes,
    readonly names: readonly string[],
    readonly loads: readonly LoadProcess[],
    readonly witnesses: ReadonlyMap<string, Witness>,
    /** By URL. */
    readonly targets: ReadonlyMap<string, string>,
    readonly exec: HeldExec,
    readonly log: FollowedLog,
    readonly random: () => number,
  ) {
    const [writing, ...others] = loads;
    this.histories = new Histories(writing!, others);
  }

  readonly histories: Histories;

  /** All of them but who changes the deployment. @param names of the machines, all of which are nodes */
  static async start(nodes: TestNodes, names: readonly string[], seed: number): Promise<Users> {
    const { first } = nodes;
    await provideImage(names.map((name) => nodes.machine(name)));
    await deploy(nodes, names);
    const { targets, urls } = await urlsOf(nodes, names);
    const { metadata } = JSON.parse(
      await nodes.kubectl("get", "--raw", "/api/v1/namespaces/default/configmaps?limit=1"),
    );
    const from: string = metadata.resourceVersion;
    const last = nodes.machine(names.at(-1)!);
    const loads = [
      new LoadProcess(first, { url: "https://127.0.0.1:6443", writers: WRITERS, seed, from }),
      new LoadProcess(last, { url: nodes.server, seed, from }),
    ];
    await loads[0]!.resume();
    const witnesses = new Map<string, Witness>();
    for (const name of names) witnesses.set(name, await witness(nodes, nodes.machine(name), urls(name)));
    const exec = new HeldExec(first, "held");
    const log = new FollowedLog(first, () => first.k3tsCommand("logs", "-f", "counter"));
    return new Users(nodes, names, loads, witnesses, targets, exec, log, randomFrom(seed));
  }

  /** Rolls and scales the deployment, whether that succeeds or not. */
  startChanges(): void {
    this.#stop = new AbortController();
    this.#changing = this.#change(this.#stop.signal);
  }

  async #change(signal: AbortSignal): Promise<void> {
    const { first } = this.nodes;
    while (!signal.aborted) {
      const replicas = 1 + Math.floor(this.random() * REPLICAS_MAX);
      const change = this.random() < 0.5
        ? ["set", "env", "deployment/moving", `CHANGE=${this.changes}`]
        : ["scale", "deployment/moving", `--replicas=${replicas}`];
      const { code } = await first.run([first.kubectlPath, "--request-timeout=5s", ...change]);
      if (code === 0) this.changes++;
      const [least, most] = CHANGE_MS;
      await delay(least + this.random() * (most - least), signal).catch(() => {}); // told to stop, which the loop sees
    }
  }

  /** The deployment is as it was at first, or becomes so. */
  async stopChanges(): Promise<void> {
    this.#stop.abort();
    await this.#changing;
  }

  async isRolledOut(): Promise<void> {
    const { first } = this.nodes;
    await first.kubectl("scale", "deployment/moving", `--replicas=${REPLICAS}`);
    await first.kubectl("rollout", "status", "deployment/moving", "--timeout=5s");
    const pods = (await first.kubectl("get", "pods", "-l", "app=moving", "--no-headers")).trim().split("\n");
    ok(pods.length === REPLICAS, `there are ${pods.length} pods of ${REPLICAS}:\n${pods.join("\n")}`);
  }

  /** What is typed comes back, and lines of the log arrive. */
  streamsGoOn(since: readonly number[]): void {
    const now = this.streams();
    ok(now.every((count, index) => count > since[index]!), `exec and logs stand at ${now}`);
  }

  streams(): number[] {
    return [this.exec.echoed, this.log.numbers.length];
  }

  /** Ends the clients of Services and names. */
  async conclude(): Promise<Requests> {
    let succeeded = 0;
    const failures: Failed[] = [];
    for (const [from, witness] of this.witnesses) {
      const seen = await witness.conclude();
      succeeded += Object.values(seen.seen).reduce((sum, counts) => sum + counts.succeeded, 0);
      for (const { at, what, message } of seen.failures) {
        const way: Way = { from, to: this.targets.get(what) ?? what };
        failures.push({ way, at, message: `${what}: ${message}` });
      }
    }
    return { succeeded, failures };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopChanges();
    const all = [this.exec, this.log, ...this.witnesses.values(), ...this.loads];
    await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
  }
}

/** The pages of all nodes and the moving one by their addresses, and the moving one by a port of the node. */
async function urlsOf(nodes: TestNodes, names: readonly string[]) {
  const of = (name: string, path: string) => nodes.kubectl("get", "service", name, "-o", `jsonpath={${path}}`);
  const targets = new Map<string, string>();
  for (const name of names) targets.set(`http://${await of(pageOf(name), ".spec.clusterIP")}/`, name);
  targets.set(`http://${await of("moving", ".spec.clusterIP")}/`, "any");
  const common = [...targets.keys()];
  const port = await of("moving", ".spec.ports[0].nodePort");
  const urls = (name: string) => {
    const own = `http://${nodes.addressOf(name)}:${port}/`;
    targets.set(own, "any");
    return [...common, own];
  };
  return { targets, urls };
}

function witness(nodes: TestNodes, on: TestMachine, urls: readonly string[]): Promise<Witness> {
  const name = `${pageOf(nodes.first.name)}.default.svc.cluster.local`;
  return Witness.of(nodes.first, on, urls, name, { everyMs: REQUESTS_EVERY_MS, patienceMs: PATIENCE_MS });
}
