/** Lists of many pods, and the memory that they take. */
import { ensurePeer } from "@k3ts/tools/peers";
import type { Benchmark, Sample } from "../core/benchmark.ts";
import { API_SIDES, apiSides, KUBE } from "../sides/api_sides.ts";
import { type ControlPlane, memoryOfAll } from "../sides/control_plane.ts";
import { kbench } from "../sides/kbench.ts";

const TYPES = [["json", "JSON"], ["protobuf", "protobuf"]] as const;
const WAYS = [["rv=unset gzip", "compressed"], ["rv=unset nogzip", "plain"], [
  "limit=500 decoded",
  "in pages of 500",
]] as const;

const noWorse = { ratio: 1, of: KUBE };

export const lists: Benchmark = {
  name: "lists",
  what: `One client lists all pods of a namespace, whole or in pages; then the memory of all processes. ${API_SIDES}`,
  rounds: 8,
  parameters: { pods: 5_000, times: 5 },
  quick: { pods: 300, times: 3 },
  figures: [
    ...TYPES.flatMap(([, type]) =>
      WAYS.map(([, way]) => ({ name: `list, ${type}, ${way}`, unit: "ms", better: "less" as const, goal: noWorse }))
    ),
    { name: "memory then, shared pages by their part (PSS)", unit: "MB", better: "less", goal: noWorse },
    { name: "memory then, RSS", unit: "MB", better: "less" },
  ],
  async open(setting) {
    const program = await ensurePeer("kbench", setting.say);
    return await apiSides(setting, (plane) => measure(program, plane, setting.parameters));
  },
};

async function measure(program: string, plane: ControlPlane, { pods, times }: Record<string, number>): Promise<Sample> {
  const all = await kbench(program, plane, {
    tests: "list",
    list: pods!,
    "list-iter": times!,
    // The pods are made in the first round, which does not count, and found again in all others.
    run: "lists",
    keep: true,
  });
  const sample: Record<string, number> = {};
  for (const [type, typeName] of TYPES) {
    for (const [way, wayName] of WAYS) {
      const measured = all.find(({ name }) => name.startsWith(`list ${pods} ${type} ${way}`));
      if (measured === undefined) throw new Error(`kbench has not listed as "${type} ${way}" at ${plane.name}`);
      // Of pages, all together.
      const pages = way.startsWith("limit") ? measured.n : 1;
      sample[`list, ${typeName}, ${wayName}`] = measured.p50 * pages;
    }
  }
  const { pss, rss } = await memoryOfAll(Object.values(await plane.pids()));
  return { ...sample, "memory then, shared pages by their part (PSS)": pss, "memory then, RSS": rss };
}
