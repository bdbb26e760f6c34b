/** The way through a Service, beside a connection straight to its pod. */
import { TestCluster } from "@k3ts/tests/cluster";
import type { TestMachine } from "@k3ts/tests/machine";
import { ensurePeer } from "@k3ts/tools/peers";
import type { Benchmark, Sample, Setting, Sides } from "../core/benchmark.ts";
import { busySeconds } from "../machine.ts";
import { startNginx } from "../sides/nginx.ts";
import { wrk } from "../sides/wrk.ts";
import { provideImage, runPods, sleeper } from "../workload.ts";

const DIRECT = "straight to the pod";
const PORT = 8080;

const WAYS = ["cluster IP", "node port"] as const;

const kept = (way: string) => `${way}, kept connections`;
const fresh = (way: string) => `${way}, a connection a request`;
const latency = (way: string) => `${way}, one connection after another, median`;
const cpu = (way: string) => `${way}, CPU time of the whole machine for a connection`;

/** One more lookup and two rewritten addresses must not cost more. */
const nearly = { ratio: 0.8, of: DIRECT };

export const services: Benchmark = {
  name: "services",
  what:
    "wrk in one pod asks nginx in another of the same node, by the Service's address, by its node port, and straight " +
    "by the pod's address. Beside the Service stand others, none of which is asked.",
  rounds: 8,
  parameters: { seconds: 2, connections: 16, services: 200 },
  quick: { seconds: 1, services: 20 },
  figures: WAYS.flatMap((way) => [
    { name: kept(way), unit: "1/s", better: "more" as const, goal: nearly },
    { name: fresh(way), unit: "1/s", better: "more" as const, goal: nearly },
    { name: latency(way), unit: "ms", better: "less" as const },
    { name: cpu(way), unit: "µs", better: "less" as const },
  ]),
  open,
};

async function open({ parameters, peers, say }: Setting): Promise<Sides> {
  const program = await ensurePeer("wrk", say);
  const nginx = await ensurePeer("nginx", say);
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await TestCluster.start());
  await provideImage(cluster);
  const [client, server] = await runPods(cluster, [sleeper("client"), sleeper("server", "default", { app: "server" })]);
  await cluster.apply(service("asked", { app: "server" }, "NodePort"));
  await cluster.apply(
    ...Array.from({ length: parameters.services! }, (_, index) => service(`other-${index}`, { app: "server" })),
  );
  const folder = await Deno.makeTempDir({ dir: cluster.dataDir });
  stack.use(
    await startNginx({
      program: nginx,
      folder,
      http: [`server { listen ${PORT}; location / { return 200 "${"x".repeat(256)}"; } }`],
      command: (words) => cluster.commandInPodNetwork(server!.uid, words),
      serves: async () => (await cluster.run(["curl", "-sf", `http://${server!.address}:${PORT}/`])).code === 0,
    }),
  );
  const field = async (path: string) => await cluster.kubectl("get", "service", "asked", "-o", `jsonpath=${path}`);
  const node = await addressOf(cluster, "k3ts0");
  const direct = `http://${server!.address}:${PORT}/`;
  const urls: Record<string, string> = {
    "cluster IP": `http://${await field("{.spec.clusterIP}")}/`,
    "node port": `http://${node}:${await field("{.spec.ports[0].nodePort}")}/`,
  };
  const measureBy = async (urlOf: (way: string) => string): Promise<Sample> => {
    const { connections, seconds } = parameters as { connections: number; seconds: number };
    const run = (way: string, connections: number, fresh: boolean) =>
      wrk(cluster, client!.uid, urlOf(way), { program, connections, seconds, fresh });
    const sample: Record<string, number> = {};
    for (const way of WAYS) {
      sample[kept(way)] = (await run(way, connections, false)).perSecond;
      const before = await busySeconds();
      const { perSecond } = await run(way, connections, true);
      sample[fresh(way)] = perSecond;
      sample[cpu(way)] = (await busySeconds() - before) / (perSecond * seconds) * 1e6;
      sample[latency(way)] = (await run(way, 1, true)).p50Ms;
    }
    return sample;
  };
  const ours = { name: "k3ts", measure: () => measureBy((way) => urls[way]!) };
  const theirs = { name: DIRECT, measure: () => measureBy(() => direct) };
  const moved = stack.move();
  return { sides: peers ? [ours, theirs] : [ours], [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** Of the machine: node ports are open on all of its addresses but loopback. */
async function addressOf(machine: TestMachine, device: string): Promise<string> {
  const { stdout } = await machine.run(["ip", "-json", "address", "show", "dev", device]);
  const [{ addr_info: addresses }] = JSON.parse(stdout) as [{ addr_info: { local: string; prefixlen: number }[] }];
  const found = addresses.find(({ prefixlen }) => prefixlen < 32);
  if (found === undefined) throw new Error(`Cannot find an address of ${device}: ${stdout}`);
  return found.local;
}

function service(name: string, selector: Record<string, string>, type = "ClusterIP"): object {
  const ports = [{ port: 80, targetPort: PORT }];
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default" },
    spec: { type, selector, ports },
  };
}
