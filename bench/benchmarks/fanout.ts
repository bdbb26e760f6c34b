/** Watches of the same objects, all of which hear of every write. */
import { ensurePeer } from "@k3ts/tools/peers";
import type { Benchmark, Figure, Sample } from "../core/benchmark.ts";
import { API_SIDES, apiSides, KUBE } from "../sides/api_sides.ts";
import type { ControlPlane } from "../sides/control_plane.ts";
import { cpuEach, kbench } from "../sides/kbench.ts";

const TYPES = [["json", "JSON"], ["protobuf", "protobuf"]] as const;
const noWorse = { ratio: 1, of: KUBE };

/** Figures are named without the parameter, so that runs of different sizes have the same ones. */
const WATCHERS = [["one", "one watcher"], ["many", "many watchers"]] as const;

export const fanout: Benchmark = {
  name: "fanout",
  what: "ConfigMaps are updated at a steady rate; the lag is from just before a write until a watcher has its event, " +
    "so that it holds what the write itself takes, whose answer is told too. " +
    `Many watchers have a connection each. ${API_SIDES}`,
  rounds: 8,
  parameters: { watchers: 100, writes: 200, seconds: 3 },
  quick: { watchers: 20, writes: 100, seconds: 1 },
  figures: TYPES.flatMap(([, type]) =>
    WATCHERS.flatMap(([, watchers]): Figure[] => [
      { name: `lag, ${type}, ${watchers}, median`, unit: "ms", better: "less", goal: noWorse },
      { name: `lag, ${type}, ${watchers}, p99`, unit: "ms", better: "less" },
      { name: `answer to the write, ${type}, ${watchers}, median`, unit: "ms", better: "less" },
      { name: `CPU time of a write and its events, ${type}, ${watchers}`, unit: "ms", better: "less", goal: noWorse },
    ])
  ),
  async open(setting) {
    const program = await ensurePeer("kbench", setting.say);
    return await apiSides(setting, (plane) => measure(program, plane, setting.parameters));
  },
};

async function measure(
  program: string,
  plane: ControlPlane,
  { watchers, writes, seconds }: Record<string, number>,
): Promise<Sample> {
  const all = await kbench(program, plane, {
    tests: "watch",
    watchers: `1,${watchers}`,
    rate: writes!,
    dur: `${seconds}s`,
  });
  const sample: Record<string, number> = {};
  for (const [type, typeName] of TYPES) {
    for (const [which, name] of WATCHERS) {
      const count = which === "one" ? 1 : watchers!;
      const measured = all.find((one) => one.name === `watch ${type} N=${count}`);
      if (measured === undefined) throw new Error(`kbench has not measured ${count} watchers at ${plane.name}`);
      sample[`lag, ${typeName}, ${name}, median`] = measured.p50;
      sample[`lag, ${typeName}, ${name}, p99`] = measured.p99;
      if (measured.writeP50 === undefined) throw new Error(`kbench has not said how long writes took at ${plane.name}`);
      sample[`answer to the write, ${typeName}, ${name}, median`] = measured.writeP50;
      sample[`CPU time of a write and its events, ${typeName}, ${name}`] = cpuEach(measured) * count;
    }
  }
  return sample;
}
