/** A program that serves while it is measured, in the background. */
import { delay } from "@k3ts/client";
import { end } from "@k3ts/tools/run";

const END_MS_MAX = 10_000;

/**
 * In front of what serves: it gets a session of its own, as all that our supervisor starts has. Linux shares a busy
 * machine out by session (sched(7), autogroup), so that a server in its client's session would be woken sooner.
 */
export const OWN_SESSION: readonly string[] = ["setsid"];

export class Program implements AsyncDisposable {
  #said = "";
  readonly #read: Promise<void>;

  private constructor(readonly name: string, readonly child: Deno.ChildProcess) {
    this.#read = Promise.all([child.stdout, child.stderr].map((stream) => this.#listen(stream))).then(() => {});
  }

  /** @param command with both outputs piped */
  static start(name: string, command: Deno.Command): Program {
    return new Program(name, command.spawn());
  }

  /** Its number; that of what it became when it was started by nsenter. */
  get pid(): number {
    return this.child.pid;
  }

  /** The end of what it has said. */
  get said(): string {
    return this.#said;
  }

  async #listen(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#said = (this.#said + text).slice(-2_000);
    }
  }

  /** Waits until something holds. @throws with what it has said when it ends before, or does not get there */
  async until(holds: () => Promise<boolean>, secondsMax = 30): Promise<void> {
    let ended = false;
    this.child.status.then(() => ended = true);
    const deadline = Date.now() + secondsMax * 1000;
    while (!await holds()) {
      if (ended || Date.now() > deadline) {
        await this[Symbol.asyncDispose]();
        throw new Error(`${this.name} ${ended ? "has ended" : `was not ready within ${secondsMax} s`}:\n${this.#said}`);
      }
      await delay(50);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.child, { msMax: END_MS_MAX });
    await this.#read;
  }
}
