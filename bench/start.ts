/** `k3ts up`, from the command to a node that is Ready: a new cluster, and one that was there before. */
import { TestCluster } from "@k3ts/tests/cluster";
import { quantile, round, spread, type Table } from "./report.ts";

const ROUNDS = 5;

/** Files that show how far a start has come, in the order in which they appear. */
const MILESTONES: Record<string, string> = {
  "the supervisor answers": "run/supervisor.sock",
  "the gateway has the certificates": "pki/server.crt",
  "the server listens": "run/server.sock",
  "the agent has its token": "node/token",
  "the node has joined": "node/node.crt",
  "the agent listens": "run/agent.sock",
};

export async function* start(): AsyncGenerator<Table> {
  const fresh: number[] = [];
  const again: number[] = [];
  const reached: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round++) {
    await using cluster = await TestCluster.prepare();
    const { ms, milestones } = await timed(cluster);
    fresh.push(ms);
    for (const [name, at] of Object.entries(milestones)) (reached[name] ??= []).push(at);
    await cluster.interrupt();
    again.push((await timed(cluster)).ms);
  }
  yield {
    title: `k3ts up to Ready, ${ROUNDS} times`,
    columns: ["", "p50 ms", "p95 ms", "min ms"],
    rows: [["a new cluster", ...spread(fresh)], ["the same again", ...spread(again)]],
  };
  yield {
    title: "Where the time of a new cluster goes",
    columns: ["milestone", "p50 ms after the command"],
    rows: [
      ...Object.entries(reached).map(([name, at]) => [name, quantile(at, 0.5)] as const),
      [
        "the node is Ready",
        quantile(fresh, 0.5),
      ] as const,
    ].map(([name, at]) => [name, round(at)]),
  };
}

async function timed(cluster: TestCluster): Promise<{ ms: number; milestones: Record<string, number> }> {
  const milestones: Record<string, number> = {};
  const begin = performance.now();
  using changes = Deno.watchFs(cluster.dataDir);
  const watching = (async () => {
    for await (const { paths } of changes) {
      for (const [name, file] of Object.entries(MILESTONES)) {
        if (paths.includes(`${cluster.dataDir}/${file}`)) milestones[name] ??= performance.now() - begin;
      }
    }
  })();
  await cluster.up();
  const ms = performance.now() - begin;
  changes.close();
  await watching;
  const inOrder = Object.keys(MILESTONES).filter((name) => milestones[name] !== undefined);
  return { ms, milestones: Object.fromEntries(inOrder.map((name) => [name, milestones[name]!])) };
}
