/** A machine's cable to the switch that can be slow and lossy: frames are carried by a program of the tests. */
import { ensureTestPrograms } from "./native.ts";

/** What a cable is like. Frames of one direction never overtake each other. */
export interface Quality {
  delayMs: number;
  /** Up to this much is added to the delay of each frame. */
  jitterMs: number;
  /** Share of frames that are lost, from 0 to 1. */
  loss: number;
}

export const GOOD: Quality = { delayMs: 0, jitterMs: 0, loss: 0 };

interface End {
  /** Of the network namespace. */
  namespace: string;
  interface: string;
}

export class RelayedLink implements AsyncDisposable {
  private constructor(readonly child: Deno.ChildProcess, readonly words: WritableStreamDefaultWriter<Uint8Array>) {}

  /** Makes both interfaces. They are down, and go with it. */
  static async make(ends: readonly [End, End], seed: number): Promise<RelayedLink> {
    const { relay, tun } = await ensureTestPrograms();
    const of = ({ namespace, interface: name }: End) => [`/run/netns/${namespace}`, name];
    const child = new Deno.Command(relay, {
      args: [tun, `${seed}`, ...ends.flatMap(of)],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const said = child.stdout.getReader();
    const { done } = await said.read();
    await said.cancel();
    if (done) {
      const why = await new Response(child.stderr).text();
      throw new Error(`Cannot lay a cable to ${ends[0].namespace}: ${why.trim()}`);
    }
    await child.stderr.cancel();
    return new RelayedLink(child, child.stdin.getWriter());
  }

  async become({ delayMs, jitterMs, loss }: Quality): Promise<void> {
    await this.words.write(new TextEncoder().encode(`${delayMs} ${jitterMs} ${Math.round(loss * 1000)}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.words.close();
    await this.child.status;
  }
}
