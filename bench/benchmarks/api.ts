/** Requests to the API, one object each. */
import { ensurePeer } from "@k3ts/tools/peers";
import type { Benchmark, Figure, Sample } from "../core/benchmark.ts";
import { API_SIDES, apiSides, KUBE } from "../sides/api_sides.ts";
import type { ControlPlane } from "../sides/control_plane.ts";
import { cpuEach, kbench } from "../sides/kbench.ts";

const CONCURRENCIES = [1, 16, 64];
/** CPU time is told of this one. */
const TYPICAL = 16;

const OBJECTS = [
  { kind: "configmap", type: "json", name: "ConfigMap, JSON" },
  { kind: "pod", type: "protobuf", name: "Pod, protobuf" },
];
const VERBS = ["get", "create"];

const noWorse = { ratio: 1, of: KUBE };

export const api: Benchmark = {
  name: "api",
  what: `Objects created and read, by clients of client-go on the same cores. ${API_SIDES}`,
  rounds: 8,
  parameters: { creates: 600, gets: 2_000 },
  quick: { creates: 60, gets: 200 },
  figures: OBJECTS.flatMap(({ name }) =>
    VERBS.flatMap((verb): Figure[] => [
      ...CONCURRENCIES.map((concurrency) => ({
        name: `${verb} ${name}, ${concurrency} in flight`,
        unit: "1/s",
        better: "more" as const,
        goal: noWorse,
      })),
      {
        name: `${verb} ${name}, alone, median`,
        unit: "ms",
        better: "less",
        ...verb === "get" && { goal: { value: 1 } },
      },
      { name: `${verb} ${name}, CPU time`, unit: "ms", better: "less", goal: noWorse },
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
  { creates, gets }: Record<string, number>,
): Promise<Sample> {
  const sample: Record<string, number> = {};
  for (const { kind, type, name } of OBJECTS) {
    const all = await kbench(program, plane, {
      tests: "create,get",
      kinds: kind,
      ct: type,
      conc: CONCURRENCIES.join(","),
      count: creates!,
      gets: gets!,
      // Only what has come to a stop is ended by it.
      dur: "120s",
    });
    for (const verb of VERBS) {
      for (const concurrency of CONCURRENCIES) {
        const step = `${verb} ${kind} ${type} c=${concurrency}`;
        const measured = all.find((one) => one.name === step);
        if (measured === undefined) throw new Error(`kbench has not measured "${step}" at ${plane.name}`);
        sample[`${verb} ${name}, ${concurrency} in flight`] = measured.perSecond;
        if (concurrency === 1) sample[`${verb} ${name}, alone, median`] = measured.p50;
        if (concurrency === TYPICAL) sample[`${verb} ${name}, CPU time`] = cpuEach(measured);
      }
    }
  }
  return sample;
}
