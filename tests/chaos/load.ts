/** The clients of `load_main.ts`, seen from the process that asks them. */
import { TextLineStream } from "@k3ts/tools/lines";
import { signalIfAlive } from "@k3ts/tools/run";
import { ROOT, type TestMachine } from "../e2e/machine.ts";
import { checkAgreement, checkOrder, checkState, checkWrites, replayed, type State } from "../faults/histories.ts";
import type { Write } from "../faults/api_clients.ts";
import { type Command, type Paused, type Reached, SELECTORS } from "./load_main.ts";

export interface LoadOptions {
  /** Of the API, as the machine reaches it. */
  url: string;
  /** How many write; the others watch only. @default 0 */
  writers?: number;
  seed: number;
  /** Watchers begin there. */
  from: string;
}

export class LoadProcess implements AsyncDisposable {
  readonly #asking: WritableStreamDefaultWriter<Uint8Array>;
  readonly #answers: ReadableStreamDefaultReader<string>;

  constructor(readonly machine: TestMachine, { url, writers = 0, seed, from }: LoadOptions) {
    const script = ["--config", `${ROOT}/deno.json`, `${ROOT}/tests/chaos/load_main.ts`];
    const words = ["--kubeconfig", machine.kubeconfig, "--url", url, "--from", from];
    const rest = ["--writers", `${writers}`, "--seed", `${seed}`];
    const run = [Deno.execPath(), "run", "--quiet", "-A", ...script, ...words, ...rest];
    this.child = machine.command(run, { stdin: "piped", stderr: "inherit" }).spawn();
    this.#asking = this.child.stdin.getWriter();
    this.#answers = this.child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
      .getReader();
  }

  readonly child: Deno.ChildProcess;

  resume(): Promise<void> {
    return this.#ask({ command: "resume" });
  }

  async pause(): Promise<Paused> {
    await this.#ask({ command: "pause" });
    return await this.#answer();
  }

  async reach(revision: number): Promise<Reached> {
    await this.#ask({ command: "reach", revision });
    return await this.#answer();
  }

  async #ask(command: Command): Promise<void> {
    await this.#asking.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#answers.read();
    if (done) {
      throw new Error(`The clients on ${this.machine.name} have ended with exit ${(await this.child.status).code}`);
    }
    return JSON.parse(value);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    signalIfAlive(this.child, "SIGKILL");
    await this.child.status;
    await this.#answers.cancel();
  }
}

/** Holds what writers were told against what watchers on two machines saw, piece by piece. */
export class Histories {
  /** Nobody was told what became of them, and nobody has seen them so far. */
  #unknown: Write[] = [];
  /** What each watcher had at the end of the last piece: by machine and selector. */
  readonly #states = new Map<string, State>();
  acknowledged = 0;
  seen = 0;

  constructor(readonly writing: LoadProcess, readonly others: readonly LoadProcess[]) {}

  /** Writers rest meanwhile. @returns what is wrong */
  async check(): Promise<string[]> {
    const paused = await this.writing.pause();
    const all = [this.writing, ...this.others];
    const reached = await Promise.all(all.map((load) => load.reach(paused.revision)));
    await this.writing.resume();
    this.acknowledged += paused.acknowledged.length;
    const violations = reached.flatMap((each, index) => {
      const { name } = all[index]!.machine;
      this.seen += Object.values(each.seen).reduce((sum, { length }) => sum + length, 0);
      return this.#checkWatchers(name, each, paused).map((text) => `a watcher on ${name}: ${text}`);
    });
    const [everything] = SELECTORS;
    const [first, ...rest] = reached.map(({ seen }) => seen[everything]!);
    const unknown = [...this.#unknown, ...paused.unknown];
    const { violations: lost, made } = checkWrites({ seen: first!, acknowledged: paused.acknowledged, unknown });
    this.#unknown = unknown.filter((write) => !made.includes(write));
    return [...violations, ...lost, ...rest.flatMap((other) => checkAgreement(first!, other))];
  }

  #checkWatchers(machine: string, { seen, revisions, violations }: Reached, { revision, listed }: Paused): string[] {
    return SELECTORS.flatMap((selector) => {
      const key = `${machine} ${selector}`;
      const before = this.#states.get(key) ?? new Map();
      const after = replayed(seen[selector]!, before);
      this.#states.set(key, after);
      const late = revisions[selector]! < revision ? [`stands at ${revisions[selector]} and not at ${revision}`] : [];
      const wrong = [...checkOrder(seen[selector]!, before), ...checkState(after, new Map(listed[selector]!)), ...late];
      return wrong.map((text) => `${selector}: ${text}`);
    }).concat(violations);
  }
}
