/** The cluster's DNS, beside CoreDNS with the same Services of the same API. */
import { TestCluster } from "@k3ts/tests/cluster";
import type { TestMachine } from "@k3ts/tests/machine";
import { ensurePeer } from "@k3ts/tools/peers";
import { memoryOf } from "@k3ts/tools/processes";
import type { Benchmark, Sample, Setting, Side, Sides } from "../core/benchmark.ts";
import { usedDuring } from "../sides/control_plane.ts";
import { OWN_SESSION, Program } from "../sides/program.ts";

const COREDNS = "CoreDNS";
const OURS = { address: "10.43.0.10", port: 53 };
const THEIRS = { address: "127.0.0.1", port: 5353 };

const RATE = "queries of many";
const LATENCY = "a query, one at a time, mean";
const CPU = "CPU time of a query";
const MEMORY = "memory, RSS";

const noWorse = { ratio: 1, of: COREDNS };

export const dns: Benchmark = {
  name: "dns",
  what:
    "dnsperf asks for Services over UDP: of ten questions seven are for an address, two for an IPv6 address that is " +
    "not there, one for a name that is not there. CoreDNS runs beside it with its kubernetes plugin on the same API and " +
    "the configuration that clusters have (cache 30, loadbalance).",
  rounds: 8,
  parameters: { services: 200, seconds: 2, clients: 8 },
  quick: { services: 20, seconds: 1 },
  figures: [
    { name: RATE, unit: "1/s", better: "more", goal: noWorse },
    { name: LATENCY, unit: "µs", better: "less", goal: noWorse },
    { name: CPU, unit: "µs", better: "less", goal: noWorse },
    { name: MEMORY, unit: "MB", better: "less", goal: noWorse },
  ],
  open,
};

async function open({ parameters, peers, say }: Setting): Promise<Sides> {
  const dnsperf = await ensurePeer("dnsperf", say);
  await using stack = new AsyncDisposableStack();
  const cluster = stack.use(await TestCluster.start());
  const names = Array.from({ length: parameters.services! }, (_, index) => `s-${index}`);
  await cluster.apply(...names.map((name) => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace: "default" },
    spec: { ports: [{ name: "http", port: 80 }] },
  })));
  const questions = `${cluster.dataDir}/questions`;
  await Deno.writeTextFile(questions, questionsFor(names));
  const side = async (name: string, at: typeof OURS, pid: number): Promise<Side> => {
    const ask = new Asker(cluster, dnsperf, at, questions);
    await ask.untilAllAreKnown(names.at(-1)!);
    return { name, measure: () => measure(ask, pid, parameters) };
  };
  const sides: [Side, ...Side[]] = [await side("k3ts", OURS, await cluster.pidOf("dataplane"))];
  if (peers) {
    const coredns = await startCoredns(cluster, await ensurePeer("coredns", say));
    stack.use(coredns);
    sides.push(await side(COREDNS, THEIRS, coredns.pid));
  }
  const kept = stack.move();
  return { sides, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function questionsFor(names: readonly string[]): string {
  const domain = "default.svc.cluster.local";
  const lines = Array.from({ length: names.length * 10 }, (_, index) => {
    const kind = index % 10;
    // Every name with every kind, mixed.
    const name = names[(Math.floor(index / 10) + kind * 7) % names.length]!;
    return kind < 7 ? `${name}.${domain} A` : kind < 9 ? `${name}.${domain} AAAA` : `no-${name}.${domain} A`;
  });
  return lines.map((line) => `${line}\n`).join("");
}

async function startCoredns(cluster: TestCluster, program: string): Promise<Program> {
  const folder = cluster.dataDir;
  const lines = [
    `.:${THEIRS.port} {`,
    "  errors",
    `  bind ${THEIRS.address}`,
    "  kubernetes cluster.local in-addr.arpa ip6.arpa {",
    `    kubeconfig ${cluster.kubeconfig}`,
    "    pods insecure",
    "    fallthrough in-addr.arpa ip6.arpa",
    "    ttl 30",
    "  }",
    "  cache 30",
    "  loadbalance",
    "}",
  ];
  await Deno.writeTextFile(`${folder}/Corefile`, `${lines.join("\n")}\n`);
  return Program.start(
    COREDNS,
    cluster.command([...OWN_SESSION, program, "-conf", `${folder}/Corefile`], { stdin: "null" }),
  );
}

interface Answers {
  perSecond: number;
  completed: number;
  meanMs: number;
}

class Asker {
  constructor(
    readonly machine: TestMachine,
    readonly program: string,
    readonly at: typeof OURS,
    readonly questions: string,
  ) {}

  async ask(...options: string[]): Promise<string> {
    const { address, port } = this.at;
    const words = [this.program, "-s", address, "-p", String(port), "-t", "2", ...options];
    const { code, stdout, stderr } = await this.machine.run(words);
    if (code !== 0) throw new Error(`dnsperf ended with exit ${code}:\n${stdout}${stderr}`);
    return stdout;
  }

  /** @throws when answers are lost, or are not what they must be */
  async measured(...options: string[]): Promise<Answers> {
    const text = await this.ask("-d", this.questions, ...options);
    const number = (what: RegExp) => Number(what.exec(text)?.[1] ?? NaN);
    const completed = number(/Queries completed:\s+(\d+)/);
    const noName = number(/NXDOMAIN (\d+)/);
    const noError = number(/NOERROR (\d+)/);
    if (number(/Queries lost:\s+(\d+)/) > completed / 1000) throw new Error(`Answers are lost:\n${text}`);
    if (noName + noError !== completed || Math.abs(noName / completed - 0.1) > 0.05) {
      throw new Error(`One answer of ten must be that there is no such name, the others without error:\n${text}`);
    }
    return {
      completed,
      perSecond: number(/Queries per second:\s+([\d.]+)/),
      meanMs: number(/Average Latency \(s\):\s+([\d.]+)/) * 1000,
    };
  }

  async untilAllAreKnown(name: string): Promise<void> {
    const path = `${this.machine.dataDir}/question`;
    await Deno.writeTextFile(path, `${name}.default.svc.cluster.local A\n`);
    const deadline = Date.now() + 30_000;
    while (!(await this.ask("-d", path, "-n", "1")).includes("NOERROR 1 ")) {
      if (Date.now() > deadline) throw new Error(`The DNS at ${this.at.address} does not know ${name} within 30 s`);
    }
  }
}

async function measure(asker: Asker, pid: number, { seconds, clients }: Record<string, number>): Promise<Sample> {
  const many = await usedDuring(
    { pid },
    () => asker.measured("-l", String(seconds!), "-c", String(clients!), "-q", String(clients! * 8)),
  );
  const one = await asker.measured("-l", "1", "-c", "1", "-q", "1");
  return {
    [RATE]: many.result.perSecond,
    [LATENCY]: one.meanMs * 1000,
    [CPU]: many.all.seconds / many.result.completed * 1e6,
    [MEMORY]: (await memoryOf(pid)).rss,
  };
}
