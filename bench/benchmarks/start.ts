/** Control planes that start with what they had. */
import { ensurePeer } from "@k3ts/tools/peers";
import { useOf } from "@k3ts/tools/processes";
import type { Benchmark, Sample } from "../core/benchmark.ts";
import { apiSides, KUBE } from "../sides/api_sides.ts";
import { type ControlPlane, memoryOfAll } from "../sides/control_plane.ts";
import { kbench } from "../sides/kbench.ts";
import { timeToServe } from "../sides/ready.ts";

const TIME = "from the command until pods are listed";
const CPU = "CPU time until then";
const MEMORY = "memory then, shared pages by their part (PSS)";

/** Of which size, and told apart by it: 100,000 take a while to make. */
function startWith(name: string, pods: number, quick: number, rounds: number): Benchmark {
  const noWorse = { ratio: 1, of: KUBE };
  return {
    name,
    what: "The control plane is ended and started again with pods in its store (6 kB each as JSON, made by the first " +
      "round, which does not count). k3ts is all of `k3ts server`; kube-apiserver runs without controllers.",
    rounds,
    parameters: { pods },
    quick: { pods: quick },
    figures: [
      { name: TIME, unit: "ms", better: "less", goal: noWorse },
      { name: CPU, unit: "s", better: "less", goal: noWorse },
      { name: MEMORY, unit: "MB", better: "less", goal: noWorse },
    ],
    async open(setting) {
      const program = await ensurePeer("kbench", setting.say);
      return await apiSides(setting, (plane) => measure(program, plane, setting.parameters.pods!));
    },
  };
}

export const start: Benchmark = startWith("start", 10_000, 300, 8);
export const startLarge: Benchmark = startWith("start-large", 100_000, 1_000, 6);

async function measure(program: string, plane: ControlPlane, pods: number): Promise<Sample> {
  await kbench(program, plane, { tests: "fill", list: pods, run: "start", keep: true });
  await plane.stop();
  const ms = await timeToServe(plane);
  const pids = Object.values(await plane.pids());
  const threads = (await Promise.all(pids.map(useOf))).flatMap((threads) => [...threads.values()]);
  const { pss } = await memoryOfAll(pids);
  return { [TIME]: ms, [CPU]: threads.reduce((sum, { seconds }) => sum + seconds, 0), [MEMORY]: pss };
}
