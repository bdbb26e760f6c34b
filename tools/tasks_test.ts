import { deepEqual } from "node:assert/strict";
import { ROOT } from "./paths.ts";

/** Run processes of k3ts, for which native parts and programs must be there. */
const STARTS = /ctl\/main\.ts (up|server|agent)|\b(tests|bench)\//;

Deno.test("a task that starts k3ts first puts in place what the machine lacks", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`)) as {
    tasks: Record<string, { command: string }>;
  };
  const starting = Object.entries(tasks).filter(([, { command }]) => STARTS.test(command));
  const names = (entries: typeof starting) => entries.map(([name]) => name).sort();
  deepEqual(names(starting), "agent bench chaos cluster conformance faults server soak up".split(" "));
  deepEqual(names(starting.filter(([, { command }]) => !/^deno run -A tools\/setup\.ts [^&]*&& /.test(command))), []);
});
