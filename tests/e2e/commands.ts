/** `k3ts` as tests type it: what it says when all is well, and how it refuses. */
import { equal, match } from "node:assert/strict";
import type { Output, TestMachine } from "./machine.ts";

export interface Commands {
  /** @returns what it wrote to standard output. @throws with what it said when it fails */
  k3ts(...words: string[]): Promise<string>;
  /** It must end with this code, and say this to standard error. */
  fails(words: string[], code: number, sentence: RegExp): Promise<void>;
  /** `k3ts apply -f -` of a manifest, or of an object. */
  apply(manifest: string | object, ...options: string[]): Promise<Output>;
}

export function commandsOf(machine: TestMachine): Commands {
  return {
    k3ts: (...words) => machine.k3ts(...words),
    async fails(words, code, sentence) {
      const said = await machine.tryK3ts(...words);
      match(said.stderr, sentence);
      equal(said.code, code, said.stderr);
    },
    apply: (manifest, ...options) =>
      machine.run(machine.k3tsCommand("apply", "-f", "-", ...options), {
        input: typeof manifest === "string" ? manifest : JSON.stringify(manifest),
      }),
  };
}
