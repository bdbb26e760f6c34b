/**
 * A cluster that is used while things fail, round after round. After each round all is well again, and everything that
 * must hold is looked at: writes and watches, containers, processes, what is left over, and that new work gets done.
 */
import { deepEqual, equal, ok } from "node:assert/strict";
import { eventually, type ProcessName } from "../e2e/machine.ts";
import type { Clock } from "../e2e/native.ts";
import { TestNodes } from "../e2e/nodes.ts";
import { PROCESSES } from "../kills/matrix.ts";
import { isExcused, linesLostBy } from "./excuses.ts";
import { Injector } from "./inject.ts";
import { compareHoldings, compareSizes, type Holdings, holdingsOf, type Sizes, sizesOf, together } from "./leaks.ts";
import { type FaultKind, NODE_GRACE_SECONDS, planFaults } from "./plan.ts";
import { unexplained, watchProcesses } from "./pids.ts";
import { type Entry, Timeline } from "./timeline.ts";
import { Users } from "./users.ts";
import { DISK_PRESSURE, podsOn, probe } from "./workload.ts";

export interface ChaosOptions {
  seed: number;
  /** How long all rounds take together; one is there in any case. */
  minutes: number;
  /** How many machines, of which the first has the server. @default 3 */
  nodes?: number;
  /** What may happen. @default everything */
  kinds?: readonly FaultKind[];
  /** Told how far it has come. */
  log: (text: string) => void;
}

export interface ChaosOutcome {
  /** Empty when all is well. */
  violations: readonly Entry[];
  timeline: string;
  /** Sentences. */
  figures: string[];
  /** Ends of the logs of all processes, where something is wrong. */
  logs?: string;
}

const ROUND_MS_MAX = 45_000;
const ROUND_MS_MIN = 10_000;
/** From the last fault on until all works again; generous, as machines are slow at times. */
const CONVERGE_SECONDS_MAX = 90;
/** For what has ended to be cleaned away. */
const CLEAN_SECONDS_MAX = 60;
const DISK_MEGABYTES = 512;

export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  const names = Array.from({ length: options.nodes ?? 3 }, (_, index) => `n${index + 1}`);
  await using nodes = await TestNodes.prepare({
    agents: names.length - 1,
    relayed: true,
    diskMegabytes: DISK_MEGABYTES,
    firstOptions: ["--node-monitor-grace-period", `${NODE_GRACE_SECONDS}s`],
  });
  const clocks = new Map<string, Clock>();
  for (const name of names) clocks.set(name, await nodes.machine(name).shiftableClock());
  await nodes.startFirst();
  for (const name of names.slice(1)) await nodes.join(name);
  await nodes.areReady();
  options.log(`${names.length} nodes are Ready`);
  const run = new ChaosRun(options, nodes, names, clocks);
  const outcome = await run.run();
  await nodes.stop();
  await run.lookForRest();
  return run.outcome(outcome);
}

class ChaosRun {
  readonly timeline: Timeline;
  readonly injector: Injector;
  /** Before the first round. */
  #holdings: Holdings = {};
  /** Of each machine after the first round. */
  readonly #sizes = new Map<string, Sizes>();
  #rounds = 0;
  #slowestMs = 0;
  #probes = 0;

  constructor(
    readonly options: ChaosOptions,
    readonly nodes: TestNodes,
    readonly names: readonly string[],
    clocks: ReadonlyMap<string, Clock>,
  ) {
    this.timeline = new Timeline((text) => options.log(`violation: ${text}`));
    this.injector = new Injector(nodes, clocks, (at, text) => this.timeline.tell(at, text));
  }

  /** @returns figures */
  async run(): Promise<{ figures: string[]; logs?: string }> {
    const { nodes, names, options } = this;
    await using users = await Users.start(nodes, names, options.seed);
    const ended = new AbortController();
    const processes = watchProcesses(names.map((name) => [nodes.machine(name), this.#processesOf(name)]), ended.signal);
    const containers = await nodes.first.containers("stays=yes");
    await this.#converge(users);
    options.log("all users are served; things begin to fail");
    await eventually(async () => {
      this.#holdings = await this.#holdingsNow();
      // Those that showed that new ones run are gone.
      equal(this.#holdings["pods' folders"]?.length, podsOn(names));
    }, CLEAN_SECONDS_MAX);
    const until = Date.now() + options.minutes * 60_000;
    do {
      await this.#round(users, Math.min(ROUND_MS_MAX, Math.max(ROUND_MS_MIN, until - Date.now())));
      const now = await nodes.first.containers("stays=yes").catch((error) => (error as Error).message);
      if (now !== containers) {
        this.timeline.violation(Date.now(), `containers are not what they were:\n${containers}\n${now}`);
      }
    } while (Date.now() + ROUND_MS_MIN < until && this.timeline.violations.length === 0);
    ended.abort();
    for (const { name, at } of unexplained(await processes, this.injector.killed)) {
      this.timeline.violation(at, `${name} has ended by itself`);
    }
    const figures = await this.#conclude(users);
    return { figures, ...(this.timeline.violations.length > 0 && { logs: await nodes.logs() }) };
  }

  #processesOf(name: string): ProcessName[] {
    return PROCESSES.filter((process) => name === this.names[0] || (process !== "server" && process !== "plugins"));
  }

  async #round(users: Users, roundMs: number): Promise<void> {
    const { seed, kinds, log } = this.options;
    const faults = planFaults({ seed, round: this.#rounds, roundMs, machines: this.names, ...(kinds && { kinds }) });
    users.startChanges();
    await this.injector.run(faults);
    await users.stopChanges();
    const well = Date.now();
    this.timeline.tell(well, `round ${this.#rounds} is over`);
    if (!await this.#converge(users)) return;
    const tookMs = Date.now() - well;
    this.#slowestMs = Math.max(this.#slowestMs, tookMs);
    this.timeline.tell(Date.now(), "all works again");
    for (const text of await users.histories.check()) this.timeline.violation(Date.now(), text);
    await this.#lookForLeaks();
    log(`round ${this.#rounds}: ${faults.length} faults, all works again after ${(tookMs / 1000).toFixed(1)} s`);
    this.#rounds++;
  }

  /** @returns whether all works within the bound */
  async #converge(users: Users): Promise<boolean> {
    const streams = users.streams();
    const conditions: [string, () => unknown][] = [
      ["nodes are Ready", () => this.#nodesAreWell()],
      ["the deployment is rolled out", () => users.isRolledOut()],
      ["every node runs new pods", () => this.#newPodsRun()],
      ["exec and logs go on", () => users.streamsGoOn(streams)],
    ];
    const deadline = Date.now() + CONVERGE_SECONDS_MAX * 1000;
    for (const [what, holds] of conditions) {
      try {
        await eventually(holds, (deadline - Date.now()) / 1000);
      } catch (error) {
        const why = error instanceof Error ? error.message : error;
        this.timeline.violation(
          Date.now(),
          `not so within ${CONVERGE_SECONDS_MAX} s of the last fault: ${what}: ${why}`,
        );
        return false;
      }
    }
    return true;
  }

  async #nodesAreWell(): Promise<void> {
    const { items } = JSON.parse(await this.nodes.kubectl("get", "nodes", "-o", "json")) as {
      items: {
        metadata: { name: string };
        spec: { taints?: { key: string }[] };
        status: { conditions: Condition[] };
      }[];
    };
    equal(items.length, this.names.length);
    for (const { metadata: { name }, spec, status } of items) {
      const ready = status.conditions.find(({ type }) => type === "Ready");
      equal(ready?.status, "True", `${name} is not Ready: ${ready?.message}`);
      // A node says for minutes that its disk was full, so that nothing goes back and forth.
      const taints = (spec.taints ?? []).map(({ key }) => key).filter((key) => key !== DISK_PRESSURE);
      deepEqual(taints, [], `${name} has taints`);
    }
  }

  /** A pod on each node comes, knows names, and goes. */
  async #newPodsRun(): Promise<void> {
    const turn = this.#probes++;
    await Promise.all(this.names.map(async (node) => {
      const name = `probe-${turn}-${node}`;
      await this.nodes.first.apply(probe(name, node));
      await this.nodes.kubectl("wait", "--for=condition=Ready", `pod/${name}`, "--timeout=20s");
      await this.nodes.kubectl("exec", name, "--", "nslookup", "moving.default.svc.cluster.local");
      await this.nodes.kubectl("delete", "pod", name, "--timeout=20s");
    }));
  }

  async #lookForLeaks(): Promise<void> {
    let leaks: string[] = [];
    await eventually(async () => {
      leaks = compareHoldings(this.#holdings, await this.#holdingsNow());
      equal(leaks.length, 0);
    }, CLEAN_SECONDS_MAX).catch((error) => {
      if (leaks.length === 0) {
        leaks = [`what is held cannot be told: ${error instanceof Error ? error.message : error}`];
      }
    });
    for (const text of leaks) this.timeline.violation(Date.now(), `after all works again: ${text}`);
    for (const name of this.names) {
      let sizes: Sizes;
      try {
        sizes = await sizesOf(this.nodes.machine(name), this.#processesOf(name));
      } catch (error) {
        this.timeline.violation(Date.now(), `${name}: not every process on record runs: ${(error as Error).message}`);
        continue;
      }
      const before = this.#sizes.get(name);
      if (before === undefined) this.#sizes.set(name, sizes);
      else for (const text of compareSizes(before, sizes)) this.timeline.violation(Date.now(), `${name}: ${text}`);
    }
  }

  /** All machines' together, as pods do not come back to where they were. */
  async #holdingsNow(): Promise<Holdings> {
    return together(await Promise.all(this.names.map((name) => holdingsOf(this.nodes.machine(name)))));
  }

  /** What machines that were stopped in order still hold, which is nothing but their files. */
  async lookForRest(): Promise<void> {
    const { mounts, interfaces, cgroups, sandboxes, processes } = await this.#holdingsNow();
    for (const [kind, rest] of Object.entries({ mounts, interfaces, cgroups, sandboxes, processes })) {
      if (rest!.length > 0) this.timeline.violation(Date.now(), `after everything was stopped: ${kind}: ${rest}`);
    }
  }

  async #conclude(users: Users): Promise<string[]> {
    const missing = users.log.missing();
    if (missing.length > linesLostBy(this.injector.happened, this.names.at(-1)!)) {
      this.timeline.violation(Date.now(), `k3ts logs -f has lost ${missing.length} lines, from ${missing[0]} on`);
    }
    const { succeeded, failures } = await users.conclude();
    const { happened } = this.injector;
    const wrong = failures.filter((failure) => !isExcused(failure, happened, this.names[0]!));
    for (const { way, at, message } of wrong) {
      this.timeline.violation(at, `a client on ${way.from} failed though it could have been served: ${message}`);
    }
    const { acknowledged, seen } = users.histories;
    if (this.timeline.violations.length === 0) {
      ok(acknowledged > 10 && succeeded > 100, `only ${acknowledged} writes and ${succeeded} requests were made`);
      ok(happened.length > 0, "nothing was made to fail");
    }
    const excused = failures.length - wrong.length;
    return [
      `${this.#rounds} rounds, ${happened.length} faults; all worked again within ${
        (this.#slowestMs / 1000).toFixed(1)
      } s`,
      `${acknowledged} acknowledged writes, none lost; ${seen} events seen by watches that never listed`,
      `${succeeded} requests and questions served, ${excused} failed for what was at fault`,
      `${users.changes} changes of the deployment; ${users.log.numbers.length} lines of a log followed, ` +
      `${users.log.breaks} breaks; exec opened anew ${users.exec.breaks} times`,
    ];
  }

  outcome({ figures, logs }: { figures: string[]; logs?: string }): ChaosOutcome {
    const { violations } = this.timeline;
    return { violations, timeline: this.timeline.render(), figures, ...(logs !== undefined && { logs }) };
  }
}

interface Condition {
  type: string;
  status: string;
  message?: string;
}
