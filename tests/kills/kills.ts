/** Kills processes of a cluster that is being used, and says what its users saw. */
import { delay } from "@k3ts/client";
import { deepEqual, equal, ok } from "node:assert/strict";
import { eventually, type TestMachine } from "../e2e/machine.ts";
import { breaksStreams, type Round } from "./matrix.ts";
import { FollowedLog, HeldExec } from "./streams.ts";
import { type Failure, Witness, type Witnessed } from "./witness.ts";

/** Until the processes are there again, and then until a new pod runs: seconds. Generous, as machines are slow at times. */
const BACK_SECONDS_MAX = 30;
const MANAGED_SECONDS_MAX = 30;

export interface RoundOutcome {
  round: Round;
  /** Milliseconds from the kill until every process was there again. */
  backMs: number;
  /** Milliseconds from then until a new pod had a node, an address, a name and a terminal. */
  managedMs: number;
}

/** A cluster with users: a page behind a Service, a resolver, an exec stream, two readers of one log. */
export class UsedCluster implements AsyncDisposable {
  #pods = 0;
  /** Times in which there was no supervisor, and so nobody who held the sockets: from, until. */
  readonly #unheld: [number, number][] = [];

  private constructor(
    /** Where users sit: with the server. */
    readonly cluster: TestMachine,
    /** Where the pods are that they use, and whose processes are killed. */
    readonly node: TestMachine,
    readonly witness: Witness,
    readonly exec: HeldExec,
    /** Our own command, which resumes by itself. */
    readonly k3tsLog: FollowedLog,
    /** Unmodified kubectl, started again from the time of the last line that it showed. */
    readonly kubectlLog: FollowedLog,
    /** What must stay as it is. */
    readonly containers: string,
  ) {}

  /** @param cluster started with `--demo` @param node the one that has the pods, and the image for them */
  static async start(cluster: TestMachine, node: TestMachine = cluster): Promise<UsedCluster> {
    const witness = await Witness.start(cluster, node);
    await applyPod(cluster, node, "counter", "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.1; done");
    await applyPod(cluster, node, "held", "sleep 1000000");
    await cluster.kubectl("wait", "--for=condition=Ready", "pod", "counter", "held", "--timeout=60s");
    const k3tsLog = new FollowedLog(cluster, () => cluster.k3tsCommand("logs", "-f", "counter"));
    const kubectlLog = new FollowedLog(
      cluster,
      (since) => [
        cluster.kubectlPath,
        "logs",
        "-f",
        "--timestamps",
        ...(since === "" ? [] : [`--since-time=${since}`]),
        "counter",
      ],
    );
    const used = new UsedCluster(
      cluster,
      node,
      witness,
      new HeldExec(cluster, "held"),
      k3tsLog,
      kubectlLog,
      await containersOf(cluster),
    );
    await eventually(() => {
      ok(
        used.exec.echoed > 0 && k3tsLog.numbers.length > 0 && kubectlLog.numbers.length > 0,
        "the streams have not begun",
      );
    }, 30);
    return used;
  }

  /** Kills, waits until all is there again, and checks that nobody was harmed. @throws what was wrong */
  async kill(round: Round): Promise<RoundOutcome> {
    const { cluster, node } = this;
    const breaks = this.exec.breaks;
    const pids = new Map(await Promise.all(round.map(async (name) => [name, await node.pidOf(name)] as const)));
    const killed = performance.now();
    const killedAt = Date.now();
    for (const pid of pids.values()) Deno.kill(pid, "SIGKILL");
    await eventually(async () => {
      for (const [name, pid] of pids) {
        const now = await node.pidOf(name);
        ok(now !== pid && await isRunning(now), `${name} is not back`);
      }
    }, BACK_SECONDS_MAX);
    const back = performance.now();
    if (round.includes("supervisor")) this.#unheld.push([killedAt, Date.now()]);
    const name = `new-${++this.#pods}`;
    await eventually(() => applyPod(cluster, node, name, "sleep 1000000"), MANAGED_SECONDS_MAX);
    await eventually(async () => {
      equal(
        await cluster.kubectl(
          "exec",
          name,
          "--",
          "sh",
          "-c",
          "nslookup hello.default.svc.cluster.local >/dev/null && echo fine",
        ),
        "fine\n",
      );
    }, MANAGED_SECONDS_MAX);
    const managed = performance.now();
    await cluster.kubectl("delete", "pod", name, "--wait=false");
    equal(await containersOf(cluster), this.containers, "a container is not what it was");
    if (!breaksStreams(round)) {
      equal(this.exec.breaks, breaks, "an exec stream broke though nothing on its way was killed");
    }
    await this.#streamsGoOn();
    return { round, backMs: back - killed, managedMs: managed - back };
  }

  async #streamsGoOn(): Promise<void> {
    const before = [this.exec.echoed, this.k3tsLog.numbers.length, this.kubectlLog.numbers.length];
    await eventually(() => {
      const now = [this.exec.echoed, this.k3tsLog.numbers.length, this.kubectlLog.numbers.length];
      ok(now.every((count, index) => count > before[index]!), `exec, k3ts logs, kubectl logs stand at ${now}`);
    }, BACK_SECONDS_MAX);
  }

  /** Ends the clients. @throws when a log has lost or doubled a line @returns what the others saw */
  async conclude(): Promise<Witnessed> {
    await delay(500); // what was written last is on its way
    await Promise.all([this.exec, this.k3tsLog, this.kubectlLog].map((stream) => stream[Symbol.asyncDispose]()));
    deepEqual(this.k3tsLog.missing(), [], "k3ts logs -f lost lines");
    deepEqual([this.k3tsLog.breaks, this.k3tsLog.repeated], [0, 0], "k3ts logs -f ended, or showed lines twice");
    deepEqual(this.kubectlLog.missing(), [], "kubectl logs -f lost lines");
    const { seen, failures } = await this.witness.conclude();
    return { seen, failures: failures.filter((failure) => !this.#mayFail(failure)) };
  }

  /** Only a supervisor's end may lead to a connect or a question that is refused; what Services answer, nothing. */
  #mayFail({ at, what }: Failure): boolean {
    return /^(connect|dns)$/.test(what) && this.#unheld.some(([from, until]) => at >= from - 100 && at <= until);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const users = [this.exec, this.k3tsLog, this.kubectlLog, this.witness];
    await Promise.all(users.map((user) => user[Symbol.asyncDispose]()));
  }
}

async function applyPod(cluster: TestMachine, node: TestMachine, name: string, script: string): Promise<void> {
  const spec = {
    nodeName: node.name,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: "c", image: "busybox:1.37", command: ["sh", "-c", script] }],
  };
  const input = JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata: { name, labels: { used: "yes" } }, spec });
  const { code, stderr } = await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input });
  equal(code, 0, stderr);
}

/** Ids and restart counts of what was there from the beginning. */
async function containersOf(cluster: TestMachine): Promise<string> {
  const template =
    '{range .items[*]}{.metadata.name}{range .status.containerStatuses[*]} {.containerID} {.restartCount}{end}{"\\n"}{end}';
  const all = await cluster.kubectl("get", "pods", "-o", `jsonpath=${template}`);
  return all.split("\n").filter((line) => !line.startsWith("new-")).join("\n");
}

async function isRunning(pid: number): Promise<boolean> {
  return await Deno.stat(`/proc/${pid}`).then(() => true, () => false);
}
