/** What is held by nobody, gone: for tests of what keeps things no longer than it should. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects all garbage of the process, what a WeakRef alone holds included. */
export async function collectGarbage(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  // What a WeakRef was made of or asked for is held until its turn of the event loop is over, and what is told that
  // something has gone may let go of more.
  for (let round = 0; round < 2; round++) {
    await new Promise((resolve) => setTimeout(resolve));
    collect();
  }
}
