/** Measures what this machine, its pods and their containers use. */
import { type Clock, momentOf, type MonotonicTime, type WallTime } from "@k3ts/model/objects";
import { namesIn, readTextIfThere } from "../files.ts";
import { type Amounts, amountsOfCgroup, amountsOfMachine } from "./amounts.ts";
import { type Rate, Rates } from "./rates.ts";

export interface Measured extends Amounts {
  rate?: Rate;
}

export interface MeasuredContainer extends Measured {
  name: string;
  startedAt: WallTime;
}

export interface MeasuredPod {
  namespace: string;
  name: string;
  uid: string;
  startedAt: WallTime;
  amounts?: Measured;
  containers: MeasuredContainer[];
}

export interface Measurement {
  at: WallTime;
  node: Measured;
  pods: MeasuredPod[];
}

/** A pod with those of its containers that run. */
export interface MeteredPod extends Pick<MeasuredPod, "namespace" | "name" | "uid" | "startedAt"> {
  containers: { id: string; name: string; startedAt: number }[];
}

export interface MeterOptions {
  /** Of pods' control groups, below the root of every hierarchy. */
  cgroupParent: string;
  pods: () => MeteredPod[];
  clock: Clock;
  /** Where control groups are mounted. @default "/sys/fs/cgroup" */
  root?: string;
}

/** Who asks again within this time is answered with what was found. */
const FRESH_MS = 10_000;
/** What is older is not averaged over all of its life when it is first looked at. */
const YOUNG_MS = 60_000;

export class Meter {
  readonly #options: MeterOptions;
  readonly #rates = new Rates();
  #hierarchy: Hierarchy | undefined;
  #last: { measured: Measurement; at: MonotonicTime } | undefined;
  #measuring: Promise<Measurement> | undefined;

  constructor(options: MeterOptions) {
    this.#options = options;
  }

  /** What was measured lately. */
  async recent(): Promise<Measurement> {
    const last = this.#last;
    return last !== undefined && this.#options.clock.monotonic() - last.at < FRESH_MS
      ? last.measured
      : await this.measure();
  }

  /** Whoever comes meanwhile is answered with the same. */
  measure(): Promise<Measurement> {
    return this.#measuring ??= this.#measure().finally(() => this.#measuring = undefined);
  }

  async #measure(): Promise<Measurement> {
    const { cgroupParent, clock, root = "/sys/fs/cgroup" } = this.#options;
    const hierarchy = this.#hierarchy ??= await findHierarchy(root);
    const pods: MeasuredPod[] = [];
    const keys = new Set<string>([NODE]);
    for (const { containers, ...pod } of this.#options.pods()) {
      const cgroup = `${cgroupParent}/${pod.uid}`;
      const whole = await this.#cgroup(hierarchy, cgroup, pod.startedAt, keys);
      const measured: MeasuredContainer[] = [];
      for (const { id, name, startedAt } of containers) {
        const amounts = await this.#cgroup(hierarchy, `${cgroup}/${id}`, startedAt, keys);
        // It may have ended just now.
        if (amounts !== undefined) measured.push({ name, startedAt, ...amounts });
      }
      pods.push({ ...pod, ...(whole !== undefined && { amounts: whole }), containers: measured });
    }
    const [stat, memory, vmstat] = await Promise.all(
      ["stat", "meminfo", "vmstat"].map((name) => Deno.readTextFile(`/proc/${name}`)),
    );
    const node = this.#withRate(NODE, amountsOfMachine(stat!, memory!, vmstat!));
    this.#rates.keep(keys);
    const now = momentOf(clock);
    const measured = { at: now.wall, node, pods };
    this.#last = { measured, at: now.monotonic };
    return measured;
  }

  async #cgroup(
    hierarchy: Hierarchy,
    path: string,
    startedAt: number,
    keys: Set<string>,
  ): Promise<Measured | undefined> {
    const texts = await Promise.all(hierarchy.files(path).map((file) => readTextIfThere(file).catch(unlessGone)));
    const [cpu, usage, memoryStat] = texts;
    if (cpu === undefined || usage === undefined || memoryStat === undefined) return undefined;
    keys.add(path);
    return this.#withRate(path, amountsOfCgroup(hierarchy.version, { cpu, usage, memoryStat }), startedAt);
  }

  #withRate(key: string, amounts: Amounts, startedAt?: number): Measured {
    const { wall, monotonic: at } = momentOf(this.#options.clock);
    const age = wall - (startedAt ?? 0);
    const since = age > 0 && age < YOUNG_MS ? at - age : undefined;
    const rate = this.#rates.next(key, amounts.cpuNs, at, since);
    return { ...amounts, ...(rate !== undefined && { rate }) };
  }
}

/** No path of a cgroup of ours. */
const NODE = "/";

interface Hierarchy {
  version: 1 | 2;
  /** Processor time, memory, and what that consists of, of a cgroup. */
  files(path: string): [string, string, string];
}

/** One for all controllers with version 2; with 1 one each, some of which share theirs: `cpu,cpuacct`. */
async function findHierarchy(root: string): Promise<Hierarchy> {
  const names = await namesIn(root);
  if (names.includes("cgroup.controllers")) {
    return {
      version: 2,
      files: (path) => [`${root}/${path}/cpu.stat`, `${root}/${path}/memory.current`, `${root}/${path}/memory.stat`],
    };
  }
  const of = (controller: string) => names.find((name) => name.split(",").includes(controller)) ?? controller;
  const [cpu, memory] = [of("cpuacct"), of("memory")];
  return {
    version: 1,
    files: (path) => [
      `${root}/${cpu}/${path}/cpuacct.usage`,
      `${root}/${memory}/${path}/memory.usage_in_bytes`,
      `${root}/${memory}/${path}/memory.stat`,
    ],
  };
}

/** A group that is removed while its file is read. */
function unlessGone(error: unknown): undefined {
  if (error instanceof Error && "code" in error && error.code === "ENODEV") return undefined;
  throw error;
}
