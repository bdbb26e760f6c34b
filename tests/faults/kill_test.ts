import type { EngineName } from "@k3ts/ffi";
import { killApi } from "./api_kill.ts";
import { killStore } from "./store_kill.ts";

const ENGINES: readonly EngineName[] = ["slatedb", "sqlite"];
/** `deno task faults` does more. */
const ROUNDS = 10;
const seed = Math.floor(Math.random() * 1e9);

for (const engine of ENGINES) {
  Deno.test(`${engine}: kills lose no acknowledged write and leave no gap in the history (seed ${seed})`, async () => {
    console.log(await killStore({ engine, rounds: ROUNDS, seed }));
  });

  Deno.test(`${engine}: watchers see through kills what writers were told, each write once (seed ${seed})`, async () => {
    console.log(await killApi({ engine, rounds: ROUNDS, seed }));
  });
}
