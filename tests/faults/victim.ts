/** A program that is started, killed at a random moment, and started again. */
import { equal } from "node:assert/strict";

/** How long it may run after its first word, unless the kill comes early. */
const RUN_MS_MAX = 400;
/** In every fourth round the kill comes this soon after the start, mostly while the store opens. */
const START_MS_MAX = 300;

export interface Round {
  /** From 1. */
  number: number;
  random: () => number;
}

/** Runs a program until its kill, and gives what it says on standard output, piece by piece. */
export async function* runAndKill(program: string, args: string[], { number, random }: Round): AsyncGenerator<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", program, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const early = number % 4 === 0;
  const afterMs = random() * (early ? START_MS_MAX : RUN_MS_MAX);
  const kill = () => child.kill("SIGKILL");
  if (early) setTimeout(kill, afterMs);
  let silent = true;
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    if (silent && !early) setTimeout(kill, afterMs);
    silent = false;
    yield text;
  }
  equal((await child.status).signal, "SIGKILL");
}
