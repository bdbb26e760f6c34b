import { deepEqual, equal } from "node:assert/strict";
import { end } from "./run.ts";

/** Says a word once it listens to signals. */
async function started(script: string): Promise<Deno.ChildProcess> {
  const child = new Deno.Command("sh", { args: ["-c", script], stdin: "null", stdout: "piped" }).spawn();
  const reader = child.stdout.getReader();
  await reader.read();
  await reader.cancel();
  return child;
}

Deno.test("a program that does as it is told ends by itself", async () => {
  const child = await started("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done");
  deepEqual(await end(child, { msMax: 60_000 }), { success: false, code: 3, signal: null });
});

Deno.test("a program that does not is killed when its time is over", async () => {
  const child = await started("trap '' INT; echo ready; while :; do sleep 0.01; done");
  equal((await end(child, { signal: "SIGINT", msMax: 100 })).signal, "SIGKILL");
});

Deno.test("a program that has ended already is only asked how", async () => {
  const child = await started("echo ready; exit 5");
  await child.status;
  equal((await end(child, { msMax: 60_000 })).code, 5);
});
