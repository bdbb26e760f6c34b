/**
 * Two hundred kills, or as many as are asked for: of the store alone and of the API with its watchers, for each engine.
 *
 *     deno task faults [--rounds 200] [--engine slatedb|sqlite] [--seed 1]
 */
import { parseArgs } from "node:util";
import type { EngineName } from "@k3ts/ffi";
import { wholeNumber } from "@k3ts/tools/options";
import { killApi } from "./api_kill.ts";
import { killStore } from "./store_kill.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "200" },
    engine: { type: "string", multiple: true, default: ["slatedb", "sqlite"] },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
  },
});

const rounds = wholeNumber("--rounds", values.rounds, 1);
const seed = wholeNumber("--seed", values.seed, 0);
for (const engine of values.engine as EngineName[]) {
  const options = { engine, rounds, seed, log: console.log };
  console.log(`seed ${seed}`);
  console.log(await killStore(options));
  console.log(await killApi(options));
}
