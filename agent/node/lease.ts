/** The node's sign of life (coordination/v1 Lease), on a timer of its own, whatever the pods do. */
import { delay, isConflict, isNotFound, type NewObject, type ResourceClient } from "@k3ts/client";
import { formatMicroTime, type Lease } from "@k3ts/model/objects";
import type { Log } from "../log.ts";

const NAMESPACE = "kube-node-lease";
const DURATION_SECONDS = 40;
const RENEW_MS = 10_000;
/** When a renewal has failed. */
const RETRY_MS = 2_000;

/** Runs until the signal fires. */
export async function keepLease(
  client: ResourceClient<Lease>,
  node: { name: string; uid: string },
  now: () => number,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let held: Lease | undefined;
  let failing = false;
  while (!signal.aborted) {
    let wait = RENEW_MS;
    try {
      held = await renew(client, node, held, now, signal);
      failing = false;
    } catch (error) {
      if (signal.aborted) break;
      // Read anew: somebody else has written it, or it is gone.
      held = undefined;
      wait = RETRY_MS;
      if (!failing) log.error("Cannot renew the node's lease", error);
      failing = true;
    }
    await delay(wait, signal).catch(() => {});
  }
}

async function renew(
  client: ResourceClient<Lease>,
  node: { name: string; uid: string },
  held: Lease | undefined,
  now: () => number,
  signal: AbortSignal,
): Promise<Lease> {
  const options = { namespace: NAMESPACE, signal, timeoutMs: RENEW_MS };
  const renewTime = formatMicroTime(now());
  try {
    const lease = held ?? await client.get(node.name, options);
    const spec = { ...lease.spec, holderIdentity: node.name, leaseDurationSeconds: DURATION_SECONDS, renewTime };
    return await client.update({ ...lease, spec }, options);
  } catch (error) {
    if (isConflict(error) && held !== undefined) return await renew(client, node, undefined, now, signal);
    if (!isNotFound(error)) throw error;
  }
  const fresh: NewObject<Lease> = {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: {
      name: node.name,
      namespace: NAMESPACE,
      // It goes with its node.
      ownerReferences: [{ apiVersion: "v1", kind: "Node", name: node.name, uid: node.uid }],
    },
    spec: { holderIdentity: node.name, leaseDurationSeconds: DURATION_SECONDS, renewTime },
  };
  return await client.create(fresh, options);
}
