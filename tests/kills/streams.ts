/** Streams that last: an exec whose program answers line by line, and logs that are followed over every break. */
import { delay } from "@k3ts/client";
import { TextLineStream } from "@k3ts/tools/lines";
import { signalIfAlive } from "@k3ts/tools/run";
import { type TestMachine } from "../e2e/machine.ts";

/** How long after a break the next attempt is made, milliseconds. */
const AGAIN_MS = 200;

/** `kubectl exec -i … cat`, opened anew whenever it breaks. */
export class HeldExec implements AsyncDisposable {
  breaks = 0;
  echoed = 0;
  #ending = new AbortController();
  #child: Deno.ChildProcess | undefined;
  #running: Promise<void>;

  constructor(readonly cluster: TestMachine, readonly pod: string) {
    this.#running = this.#hold();
  }

  async #hold(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const { kubectlPath } = this.cluster;
      const child = this.cluster.command([kubectlPath, "exec", "-i", this.pod, "--", "cat"], { stdin: "piped" })
        .spawn();
      this.#child = child;
      const said = child.stderr.pipeTo(new WritableStream());
      await Promise.allSettled([this.#ask(child.stdin), this.#count(child.stdout), said, child.status]);
      if (this.#ending.signal.aborted) return;
      this.breaks++;
      await delay(AGAIN_MS, this.#ending.signal).catch(() => {}); // ended meanwhile, which the loop sees
    }
  }

  /** A line ten times a second, for as long as the stream lives. */
  async #ask(stdin: WritableStream<Uint8Array>): Promise<void> {
    const writer = stdin.getWriter();
    for (let line = 0;; line++) {
      await writer.write(new TextEncoder().encode(`${line}\n`));
      await delay(100, this.#ending.signal);
    }
  }

  async #count(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const _ of stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) this.echoed++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    if (this.#child !== undefined) signalIfAlive(this.#child, "SIGKILL");
    await this.#running;
  }
}

/** Follows a log whose lines are `line N`, N counting from 0, and keeps the numbers that came. */
export class FollowedLog implements AsyncDisposable {
  readonly numbers: number[] = [];
  breaks = 0;
  /** Lines that came again. After a break that is to be expected of a command that resumes from a second. */
  repeated = 0;
  #last = "";
  #ending = new AbortController();
  #child: Deno.ChildProcess | undefined;
  #running: Promise<void>;

  /** @param resume the words of a command that follows from the time of the last line that came; empty at first */
  constructor(readonly cluster: TestMachine, readonly resume: (since: string) => string[]) {
    this.#running = this.#follow();
  }

  async #follow(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const child = this.cluster.command(this.resume(this.#last), { stdin: "null" }).spawn();
      this.#child = child;
      const said = child.stderr.pipeTo(new WritableStream());
      await Promise.allSettled([this.#read(child.stdout), said, child.status]);
      if (this.#ending.signal.aborted) return;
      this.breaks++;
      await delay(AGAIN_MS, this.#ending.signal).catch(() => {}); // ended meanwhile, which the loop sees
    }
  }

  async #read(stdout: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())) {
      const found = /^(?:(\S+) )?line (\d+)$/.exec(text);
      if (found === null) continue; // cut off by a break
      this.#last = found[1] ?? this.#last;
      const number = Number(found[2]);
      if (number > (this.numbers.at(-1) ?? -1)) this.numbers.push(number);
      else this.repeated++;
    }
  }

  /** The numbers that did not come though later ones did. */
  missing(): number[] {
    const seen = new Set(this.numbers);
    return Array.from({ length: (this.numbers.at(-1) ?? -1) + 1 }, (_, number) => number).filter((n) => !seen.has(n));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    if (this.#child !== undefined) signalIfAlive(this.#child, "SIGKILL");
    await this.#running;
  }
}
