/** The API through the gateway, beside what the same gateway, Deno and disk could do at best. */
import { loadKubeconfig } from "@k3ts/client";
import { TestCluster } from "@k3ts/tests/cluster";
import { Gateway } from "@k3ts/tests/gateway";
import type { Input, Result, Step } from "./inside/load.ts";
import type { Input as LagInput, Lag } from "./inside/watch_lag.ts";
import { syncTimes } from "./machine.ts";
import { quantile, round, spread, type Table } from "./report.ts";
import { runInside, runProgram, sleeper } from "./workload.ts";

const CONCURRENCIES = [1, 16, 64];
const STEP_MS = 3_000;
const PODS = 500;
const LISTS = { 1: 40, 16: 80, 64: 128 } as Record<number, number>;
const WATCHERS = [1, 16, 64];
const WRITES = 200;
const SYNC_BYTES = 2_048;
/** About what a pod is when it is read. */
const POD_BYTES = 2_500;
const GET = "get a pod";
const LIMIT = "get of a constant, bare Deno.serve";
const NAMESPACE = "/api/v1/namespaces/default";

export async function* api(): AsyncGenerator<Table> {
  await using cluster = await TestCluster.start();
  const access = await loadKubeconfig({ path: `${cluster.dataDir}/admin.kubeconfig` });
  const processes = { gateway: await cluster.pidOf("gateway"), server: await cluster.pidOf("server") };
  const load = (steps: Step[]) =>
    runInside<Result[]>(
      cluster,
      "load",
      {
        url: access.url,
        ca: access.caCertificate!,
        cert: access.certificate!,
        key: access.key!,
        processes,
        steps,
      } satisfies Input,
    );

  await load([{ name: "", method: "POST", path: `${NAMESPACE}/pods`, body: pod("p"), concurrency: 16, count: PODS }]);
  await using bare = await BareServer.start(POD_BYTES);
  const limits: Result[] = [];
  const results: Result[] = [];
  for (const concurrency of CONCURRENCIES) {
    limits.push(...await bare.gets(concurrency));
    results.push(...await load(stepsAt(concurrency)));
  }
  yield {
    title: `The API through the gateway, JSON over HTTP/2, ${PODS} pods there`,
    columns: ["", "in flight", "1/s", "p50 ms", "p95 ms", "p99 ms", "server µs", "gateway µs", "client µs"],
    rows: [...results, ...limits].toSorted((a, b) => a.name.localeCompare(b.name)).map(row),
    notes: [
      ratios(results, GET, limits),
      "µs: of a core, for one request. All processes share the machine's cores with the client.",
    ],
  };
  const syncs = await syncTimes(cluster.dataDir, 500, SYNC_BYTES);
  yield {
    title: `Appends of ${SYNC_BYTES} bytes on the same disk, each synced by itself`,
    columns: ["", "1/s", "p50 ms", "p95 ms", "min ms"],
    rows: [["write and fdatasync", round(1000 * syncs.length / syncs.reduce((a, b) => a + b)), ...spread(syncs)]],
  };
  yield await watchTable(cluster);
}

function stepsAt(concurrency: number): Step[] {
  const timed = { concurrency, ms: STEP_MS };
  const own = `c${concurrency}-{n}`;
  return [
    { name: GET, method: "GET", path: `${NAMESPACE}/pods/p-{n}`, modulo: PODS, ...timed },
    { name: `list ${PODS} pods`, method: "GET", path: `${NAMESPACE}/pods`, concurrency, count: LISTS[concurrency]! },
    { name: "create a ConfigMap", method: "POST", path: `${NAMESPACE}/configmaps`, body: configMap(own), ...timed },
    {
      name: "update a ConfigMap",
      method: "PUT",
      path: `${NAMESPACE}/configmaps/c${concurrency}-{n}`,
      body: configMap(own, "changed-{i}"),
      modulo: 64,
      ...timed,
    },
    { name: "create a pod", method: "POST", path: `${NAMESPACE}/pods`, body: pod(`c${concurrency}`), ...timed },
  ];
}

/** The same gateway program in front of a server that does nothing. */
class BareServer implements AsyncDisposable {
  private constructor(readonly gateway: Gateway, readonly server: Deno.ChildProcess, readonly gatewayPid: number) {}

  static async start(bytes: number): Promise<BareServer> {
    const gateway = await Gateway.start();
    const program = new URL("./inside/bare_server.ts", import.meta.url).pathname;
    const server = new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", program, gateway.serverSocket, String(bytes)],
      stdin: "null",
      stdout: "null",
    }).spawn();
    const { pid } = await gateway.supervised.running("gateway");
    return new BareServer(gateway, server, pid);
  }

  gets(concurrency: number): Promise<Result[]> {
    const { authority, admin, url } = this.gateway;
    return runProgram<Result[]>(
      "load",
      {
        url,
        ca: authority.cert,
        ...admin,
        processes: { gateway: this.gatewayPid, server: this.server.pid },
        steps: [{ name: LIMIT, method: "GET", path: "/", concurrency, ms: STEP_MS }],
      } satisfies Input,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.kill("SIGKILL");
    await this.server.status;
    await this.gateway[Symbol.asyncDispose]();
  }
}

async function watchTable(cluster: TestCluster): Promise<Table> {
  const rows: string[][] = [];
  for (const watchers of WATCHERS) {
    const lags = await runInside<Lag[]>(
      cluster,
      "watch_lag",
      {
        kubeconfig: `${cluster.dataDir}/admin.kubeconfig`,
        watchers,
        writes: WRITES,
      } satisfies LagInput,
    );
    const p50 = (field: keyof Lag) => round(quantile(lags.map((lag) => lag[field]), 0.5));
    const p95 = (field: keyof Lag) => round(quantile(lags.map((lag) => lag[field]), 0.95));
    rows.push([`${watchers} watchers`, p50("answered"), p95("answered"), p50("heard"), p95("heard")]);
  }
  return {
    title:
      `From the beginning of a write until it is answered, and until the last watcher has heard (${WRITES} writes)`,
    columns: ["", "answered p50 ms", "p95 ms", "heard p50 ms", "p95 ms"],
    rows,
  };
}

function row(result: Result): string[] {
  const { name, concurrency, perSecond, p50, p95, p99, cpu } = result;
  const microseconds = ["server", "gateway", "client"].map((process) => (cpu[process] ?? 0).toFixed(0));
  return [name, String(concurrency), perSecond.toFixed(0), ...[p50, p95, p99].map(round), ...microseconds];
}

function ratios(results: Result[], name: string, limits: Result[]): string {
  const shares = CONCURRENCIES.map((concurrency) => {
    const at = (all: Result[], name: string) =>
      all.find((one) => one.name === name && one.concurrency === concurrency)?.perSecond ?? NaN;
    return `${Math.round(at(results, name) / at(limits, LIMIT) * 100)} %`;
  });
  return `${name} reaches ${shares.join(", ")} of the bare server's rate with ${CONCURRENCIES.join(", ")} in flight.`;
}

/** Belongs to nobody, so that no node runs it. */
function pod(prefix: string): string {
  const labels = { app: prefix, "pod-template-hash": "6b8d7c9f5d" };
  return JSON.stringify({
    ...sleeper(`${prefix}-{n}`),
    metadata: { name: `${prefix}-{n}`, labels, annotations: { "example.com/note": "x".repeat(200) } },
    spec: { ...sleeper("").spec, schedulerName: "nobody" },
  });
}

function configMap(name: string, value = "value"): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name },
    data: { key: value, "{n}": value },
  });
}
