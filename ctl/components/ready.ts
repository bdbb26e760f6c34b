/** Waiting until what was started serves; and what to say when it does not. */
import { createClient } from "@connectrpc/connect";
import { delay, loadKubeconfig } from "@k3ts/client";
import { findCondition, type Lease, type Node, resources } from "@k3ts/model";
import { ClusterService, type ProcessStatus } from "@k3ts/proto";
import { type Connection, connectTo } from "../connection.ts";
import { Problem } from "../problem.ts";
import type { SupervisorLink } from "./supervisor.ts";

const READY_MS_MAX = 120_000;
const LOOK_EVERY_MS = 50;
const CALL_MS_MAX = 5_000;
const TROUBLE_EVERY_MS = 500;
/** When a person is told what goes on; a multiple of the above. */
const SLOW_MS = 8_000;
/** A process that has ended so often will not come up by waiting. */
const RESTARTS_MAX = 3;
const LOG_LINES = 3;

/**
 * Does work that waits for processes to serve; gives up when one of them ends again and again, or after two minutes.
 * @throws the signal's reason when it fires
 */
export async function whileStarting<T>(
  dataDir: string,
  { supervisor }: SupervisorLink,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const done = new AbortController();
  const deadline = AbortSignal.any([signal, done.signal, AbortSignal.timeout(READY_MS_MAX)]);
  const trouble = (async () => {
    let before: ProcessStatus[] | undefined;
    for (let looks = 1;; looks++) {
      await delay(TROUBLE_EVERY_MS, deadline);
      // Where the supervisor itself has gone, somebody else deals with it.
      const { processes } = await supervisor.getStatus({}, { signal: deadline }).catch(() => ({ processes: [] }));
      before ??= processes;
      const name = endsAgainAndAgain(before, processes);
      if (name !== undefined) throw await explainEnds(dataDir, name, processes);
      if (looks * TROUBLE_EVERY_MS === SLOW_MS) {
        console.error(await soFar("This takes longer than usual.", dataDir, processes));
      }
    }
  })();
  const working = work(deadline);
  try {
    return await Promise.race([working, trouble as Promise<never>]);
  } catch (error) {
    if (signal.aborted || !deadline.aborted) throw error;
    // What waited knows best for what.
    const last: unknown = await working.catch((error) => error);
    const { processes } = await supervisor.getStatus({}).catch(() => ({ processes: [] }));
    const title = `Not everything was ready within ${READY_MS_MAX / 1000} s.`;
    throw new Problem(
      await soFar(last instanceof Problem ? `${title}\n${last.message}` : title, dataDir, processes),
      `The logs: ${dataDir}/logs`,
      { cause: error },
    );
  } finally {
    done.abort();
    trouble.catch(() => {});
  }
}

/** The name of a process that has ended too often since the first look. */
export function endsAgainAndAgain(
  before: readonly Pick<ProcessStatus, "name" | "restarts">[],
  now: readonly Pick<ProcessStatus, "name" | "restarts">[],
): string | undefined {
  return now.find(({ name, restarts }) => {
    const earlier = before.find((process) => process.name === name)?.restarts ?? 0;
    return restarts - earlier >= RESTARTS_MAX;
  })?.name;
}

async function explainEnds(dataDir: string, name: string, processes: ProcessStatus[]): Promise<Problem> {
  const how = processes.find((process) => process.name === name)?.lastExit;
  return new Problem(
    `The process ${name} ends again and again (${how}).\n${await lastWritten(dataDir, name)}`,
    `Its log: ${dataDir}/logs/${name}.log`,
  );
}

async function soFar(title: string, dataDir: string, processes: ProcessStatus[]): Promise<string> {
  return [title, ...await Promise.all(processes.map(({ name }) => lastWritten(dataDir, name)))].join("\n");
}

async function lastWritten(dataDir: string, name: string): Promise<string> {
  const lines = lastLines(await Deno.readTextFile(`${dataDir}/logs/${name}.log`).catch(() => ""));
  if (lines.length === 0) return `The ${name} has written nothing.`;
  return [`The ${name} last wrote:`, ...lines.map((line) => `  ${line}`)].join("\n");
}

/** Those that tell the most: without stacks and what has just been said. */
export function lastLines(log: string): string[] {
  const lines = log.split("\n").filter((line) => line.trim() !== "" && !/^\s+at /.test(line));
  return lines.filter((line, index) => line !== lines[index - 1]).slice(-LOG_LINES);
}

/** The server of this machine, as its administrator. */
export async function serverAnswers(dataDir: string, signal: AbortSignal): Promise<Connection> {
  while (true) {
    signal.throwIfAborted();
    if (await exists(`${dataDir}/admin.kubeconfig`)) {
      const connection = connectTo(await loadKubeconfig({ path: `${dataDir}/admin.kubeconfig` }));
      const cluster = createClient(ClusterService, connection.transport);
      if (await cluster.getInfo({}, { timeoutMs: CALL_MS_MAX, signal }).then(() => true, () => false)) {
        return connection;
      }
      connection[Symbol.dispose]();
    }
    await delay(LOOK_EVERY_MS, signal);
  }
}

/** Where the agent says why it was not let in. */
export function refusalPath(dataDir: string): string {
  return `${dataDir}/node/refused`;
}

/** The server elsewhere, as the node that has joined it. @throws {Problem} when it does not let this machine in */
export async function nodeJoined(dataDir: string, url: string, signal: AbortSignal): Promise<Connection> {
  const read = (file: string) => Deno.readTextFile(`${dataDir}/node/${file}`);
  while (!await hasIdentity(`${dataDir}/node`)) {
    const refusal = await Deno.readTextFile(refusalPath(dataDir)).catch(() => "");
    if (refusal !== "") throw new Problem(`${refusal}.`);
    await delay(LOOK_EVERY_MS, signal);
  }
  const [caCertificate, certificate, key] = await Promise.all([read("ca.crt"), read("node.crt"), read("node.key")]);
  return connectTo({ context: "node", namespace: "default", url, caCertificate, certificate, key });
}

/** The certificate comes before its key, which until then lies beside its place. */
async function hasIdentity(node: string): Promise<boolean> {
  const there = await Promise.all(["ca.crt", "node.crt", "node.key"].map((file) => exists(`${node}/${file}`)));
  return there.every(Boolean) && !await exists(`${node}/node.key.next`);
}

/**
 * @param since milliseconds since the epoch: what a node said in an earlier life does not count
 * @throws {Problem} when the signal fires before, with what the node has said last
 */
export async function nodeReady({ clients }: Connection, name: string, since: number, signal: AbortSignal) {
  const leases = clients.of<Lease>(resources.leases);
  const nodes = clients.of<Node>(resources.nodes);
  const options = { signal, timeoutMs: CALL_MS_MAX };
  let why = "it has given no sign of life";
  while (!signal.aborted) {
    const lease = await leases.get(name, { namespace: "kube-node-lease", ...options }).catch(() => undefined);
    if (Date.parse(lease?.spec?.renewTime ?? "") >= since) {
      const node = await nodes.get(name, options).catch(() => undefined);
      const ready = findCondition(node?.status?.conditions, "Ready");
      if (ready?.status === "True") return;
      why = ready?.message ?? why;
    }
    await delay(LOOK_EVERY_MS, signal).catch(() => {}); // the signal, which is looked at
  }
  throw new Problem(`The node ${name} is not Ready: ${why}.`, undefined, { cause: signal.reason });
}

export async function exists(path: string): Promise<boolean> {
  return await Deno.stat(path).then(() => true, (error) => {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return false;
    throw error;
  });
}
