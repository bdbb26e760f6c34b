/** Makes faults happen on the machines of a cluster, and undoes them. */
import { delay } from "@k3ts/client";
import type { Clock } from "../e2e/native.ts";
import { GOOD } from "../e2e/link.ts";
import type { TestNodes } from "../e2e/nodes.ts";
import type { Happened } from "./excuses.ts";
import { describe, endOf, type Fault } from "./plan.ts";

/** Tells of what happens, in milliseconds since the epoch. */
export type Tell = (at: number, text: string) => void;

export class Injector {
  readonly happened: Happened[] = [];
  /** Processes that were killed: "n1 server". */
  readonly killed: { name: string; at: number }[] = [];
  /** Where a process was stopped, until it goes on. */
  readonly #stopped = new Map<Fault, number>();
  readonly #underWay = new Set<Fault>();

  constructor(readonly nodes: TestNodes, readonly clocks: ReadonlyMap<string, Clock>, readonly tell: Tell) {}

  /** All of a plan, each at its time. All is well again when it resolves. */
  async run(faults: readonly Fault[]): Promise<void> {
    const start = Date.now();
    try {
      await Promise.all(faults.map(async (fault) => {
        await delay(Math.max(0, start + fault.atMs - Date.now()));
        await this.#happen(fault, start + endOf(fault));
      }));
    } finally {
      for (const fault of this.#underWay) await this.#end(fault);
    }
  }

  async #happen(fault: Fault, until: number): Promise<void> {
    const record: Happened = { fault, from: Date.now(), until: Infinity };
    this.happened.push(record);
    this.tell(record.from, describe(fault));
    this.#underWay.add(fault);
    await this.#begin(fault);
    if (fault.forMs > 0) {
      await delay(Math.max(0, until - Date.now()));
      await this.#end(fault);
      this.tell(Date.now(), `${fault.machine}: ${fault.process ?? fault.kind} well again`);
    }
    this.#underWay.delete(fault);
    record.until = Date.now();
  }

  async #begin(fault: Fault): Promise<void> {
    const { kind, machine: name, process } = fault;
    const machine = this.nodes.machine(name);
    switch (kind) {
      case "kill":
      case "pause": {
        // It may be away just now, as one before it was killed.
        const pid = await machine.pidOf(process!).catch(() => undefined);
        if (pid === undefined || !signal(pid, kind === "kill" ? "SIGKILL" : "SIGSTOP")) {
          return this.tell(Date.now(), `${name}: there is no ${process} just now`);
        }
        if (kind === "kill") this.killed.push({ name: `${name} ${process}`, at: Date.now() });
        else this.#stopped.set(fault, pid);
        return;
      }
      case "disk":
        return await machine.fillDisk();
      case "cut":
        return await this.nodes.cut(name);
      case "delay":
      case "loss":
        return await this.#impair(name);
      case "clock":
        return await this.clocks.get(name)!.shift(fault.shiftMs!);
    }
  }

  async #end(fault: Fault): Promise<void> {
    const { kind, machine: name } = fault;
    this.#underWay.delete(fault);
    switch (kind) {
      case "kill":
        return;
      case "pause": {
        const pid = this.#stopped.get(fault);
        if (pid !== undefined) signal(pid, "SIGCONT");
        this.#stopped.delete(fault);
        return;
      }
      case "disk":
        return await this.nodes.machine(name).freeDisk();
      case "cut":
        return await this.nodes.restore(name);
      case "delay":
      case "loss":
        return await this.#impair(name);
      case "clock":
        return await this.clocks.get(name)!.shift(0);
    }
  }

  /** As all faults of a cable want it that are under way. */
  async #impair(name: string): Promise<void> {
    const faults = [...this.#underWay].filter(({ machine }) => machine === name);
    const { delayMs = GOOD.delayMs, jitterMs = GOOD.jitterMs } = faults.find(({ kind }) => kind === "delay") ?? {};
    const { loss = GOOD.loss } = faults.find(({ kind }) => kind === "loss") ?? {};
    await this.nodes.impair(name, { delayMs, jitterMs, loss });
  }
}

/** @returns false when the process has ended by itself */
function signal(pid: number, name: Deno.Signal): boolean {
  try {
    Deno.kill(pid, name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
