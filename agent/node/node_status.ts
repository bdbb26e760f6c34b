/**
 * Registers the node and keeps its status as it is: written at once when the server has another, be it that somebody
 * else has written it, and every five minutes.
 */
import type { Client } from "@connectrpc/connect";
import { backoffMs, delay, type Informer, type ResourceClient, retryOnConflict } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import type { Clock, Node, WallTime } from "@k3ts/model/objects";
import type { NodeService } from "@k3ts/proto";
import { isNewsworthy, type NodeInput, nodeObject, nodeStatus } from "./node_object.ts";

const LOOK_MS = 10_000;
const REPORT_MS = 300_000;
/** When it could not be written. */
const RETRY_MS = 2_000;

/** Tries for as long as it takes. Resolves with the node as the server has it, with its range of addresses. */
export async function register(
  client: Client<typeof NodeService>,
  input: NodeInput,
  now: () => WallTime,
  log: Log,
  signal: AbortSignal,
): Promise<Node> {
  for (let failures = 1;; failures++) {
    try {
      const bytes = new TextEncoder().encode(JSON.stringify(nodeObject(input, now())));
      const { node } = await client.register({ node: bytes }, { signal, timeoutMs: 15_000 });
      return JSON.parse(new TextDecoder().decode(node)) as Node;
    } catch (error) {
      signal.throwIfAborted();
      log.error("Cannot register the node", error, { node: input.name });
      await delay(backoffMs(failures, { initialMs: 500, maxMs: 10_000 }), signal);
    }
  }
}

/**
 * Runs until the signal fires. `input` is asked anew each time.
 * @throws when somebody has deleted the node: the agent is to begin anew
 */
export async function keepNodeStatus(
  nodes: Informer<Node>,
  input: () => NodeInput,
  { wall, monotonic }: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  await nodes.synced.catch(() => {}); // rejects at the end only
  const { name } = input();
  let pause = new AbortController();
  signal.addEventListener("abort", () => pause.abort(), { once: true });
  const stop = nodes.onChange((_type, node) => node.metadata.name === name && pause.abort());
  let reported = -Infinity;
  try {
    while (!signal.aborted) {
      pause = new AbortController();
      let wait = LOOK_MS;
      const known = nodes.get("", name);
      if (known === undefined) {
        throw new Error(`Cannot go on as the node "${name}" must be known to the server: somebody has deleted it`);
      }
      try {
        if (
          isNewsworthy(known.status, nodeStatus(input(), known.status, wall())) || monotonic() - reported >= REPORT_MS
        ) {
          await report(nodes.client, input(), wall, signal);
          reported = monotonic();
        }
      } catch (error) {
        if (signal.aborted) return;
        log.error("Cannot send the node's status", error);
        // Not at once, whatever wakes us.
        await delay(RETRY_MS, signal).catch(() => {});
        wait = 0;
      }
      await delay(wait, pause.signal).catch(() => {}); // something has changed
    }
  } finally {
    stop();
  }
}

async function report(
  client: ResourceClient<Node>,
  input: NodeInput,
  now: () => WallTime,
  signal: AbortSignal,
): Promise<void> {
  await retryOnConflict(async () => {
    const node = await client.get(input.name, { signal });
    await client.updateStatus({ ...node, status: nodeStatus(input, node.status, now()) }, { signal });
  });
}
