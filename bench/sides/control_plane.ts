/** A control plane in a network of its own, ours or a peer's: what serves the Kubernetes API and keeps objects. */
import { type Memory, memoryOf, type Use, usedBetween, useOf } from "@k3ts/tools/processes";
import { type ProcessName, TestMachine } from "@k3ts/tests/machine";
import { freshName, sweep, sweepDeadRuns } from "@k3ts/tests/sweep";

export interface ControlPlane extends AsyncDisposable {
  /** As tables name it. */
  readonly name: string;
  /** Whose network it is in; its kubeconfig is the admin's. */
  readonly machine: TestMachine;
  /** Starts it, or starts it again with what it has. @returns when it answers requests */
  start(): Promise<void>;
  /** Ends it; its objects stay. */
  stop(): Promise<void>;
  /** All of its processes, by name. */
  pids(): Promise<Record<string, number>>;
}

/** A place for processes and files that is gone without a trace afterwards. */
export async function freshMachine(name: string): Promise<TestMachine & AsyncDisposable> {
  await sweepDeadRuns();
  const test = await freshName();
  const machine = await TestMachine.make(name, test);
  return Object.assign(machine, { [Symbol.asyncDispose]: () => sweep(test) });
}

const OURS: ProcessName[] = ["supervisor", "gateway", "server", "plugins"];

/** `k3ts server`: API, store, controllers and scheduler; no node. */
export async function k3tsServer(...options: string[]): Promise<ControlPlane> {
  const machine = await freshMachine("n1");
  const words = ["server", "--data-dir", machine.dataDir, "--listen", "127.0.0.1", ...options];
  return {
    name: "k3ts",
    machine,
    start: () => machine.start(words, /^The control plane serves/),
    stop: async () => void await machine.interrupt(),
    pids: async () =>
      Object.fromEntries(await Promise.all(OURS.map(async (name) => [name, await machine.pidOf(name)]))),
    async [Symbol.asyncDispose]() {
      try {
        await machine.stop();
      } finally {
        await machine[Symbol.asyncDispose]();
      }
    },
  };
}

/** Started, or nothing is left of it. */
export async function started<P extends ControlPlane>(making: Promise<P>): Promise<P> {
  const plane = await making;
  try {
    await plane.start();
    return plane;
  } catch (error) {
    await plane[Symbol.asyncDispose]();
    throw error;
  }
}

/** What all of these hold together. */
export async function memoryOfAll(pids: readonly number[]): Promise<Memory> {
  const each = await Promise.all(pids.map(memoryOf));
  const sum = (field: keyof Memory) => each.reduce((sum, memory) => sum + memory[field], 0);
  return { rss: sum("rss"), pss: sum("pss"), anonymous: sum("anonymous") };
}

/** Runs something, and tells what each of these processes used meanwhile. */
export async function usedDuring<T>(
  pids: Readonly<Record<string, number>>,
  work: () => Promise<T>,
): Promise<{ result: T; used: Record<string, Use>; all: Use }> {
  const names = Object.keys(pids);
  const uses = () => Promise.all(names.map((name) => useOf(pids[name]!)));
  const before = await uses();
  const result = await work();
  const after = await uses();
  const each = names.map((name, index) => [name, usedBetween(before[index]!, after[index]!)] as const);
  const sum = (field: keyof Use) => each.reduce((sum, [, use]) => sum + use[field], 0);
  return { result, used: Object.fromEntries(each), all: { seconds: sum("seconds"), wakeUps: sum("wakeUps") } };
}
