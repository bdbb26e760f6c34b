/** Registers the node and keeps its status current: at once when it changes, else every five minutes. */
import type { Client } from "@connectrpc/connect";
import { backoffMs, delay, isNotFound, type ResourceClient, retryOnConflict } from "@k3ts/client";
import type { Node } from "@k3ts/model/objects";
import type { NodeService } from "@k3ts/proto";
import type { Log } from "../log.ts";
import { isNewsworthy, type NodeInput, nodeObject, nodeStatus } from "./node_object.ts";

const LOOK_MS = 10_000;
const REPORT_MS = 300_000;

/** Tries for as long as it takes. Resolves with the node as the server has it, with its range of addresses. */
export async function register(
  client: Client<typeof NodeService>,
  input: NodeInput,
  now: () => number,
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
      log.error(`Cannot register node "${input.name}"`, error);
      await delay(backoffMs(failures, { initialMs: 500, maxMs: 10_000 }), signal);
    }
  }
}

/** Runs until the signal fires. `input` is asked anew each time. */
export async function keepNodeStatus(
  client: ResourceClient<Node>,
  registration: Client<typeof NodeService>,
  input: () => NodeInput,
  now: () => number,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let reported = -Infinity;
  let said: Node["status"];
  while (!signal.aborted) {
    try {
      const latest = input();
      const status = nodeStatus(latest, said, now());
      if (isNewsworthy(said, status) || now() - reported >= REPORT_MS) {
        await retryOnConflict(async () => {
          const node = await client.get(latest.name, { signal });
          said = (await client.updateStatus({ ...node, status: nodeStatus(latest, node.status, now()) })).status;
        });
        reported = now();
      }
    } catch (error) {
      // Somebody has deleted the node; as long as it lives, it comes back.
      if (isNotFound(error)) await register(registration, input(), now, log, signal).catch(() => {});
      else if (!signal.aborted) log.error("Cannot send the node's status", error);
    }
    await delay(LOOK_MS, signal).catch(() => {});
  }
}
