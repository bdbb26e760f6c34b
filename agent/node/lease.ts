/** The node's sign of life (coordination/v1 Lease), on a timer of its own, whatever the pods do. */
import { delay, isConflict, isNotFound, type NewObject, type ResourceClient } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { formatMicroTime, type Lease, type WallTime } from "@k3ts/model/objects";

const NAMESPACE = "kube-node-lease";
/** As the kubelet: four renewals in the time that one is good for. */
export const LEASE_SECONDS = 40;
const RENEWALS = 4;
/** When a renewal has failed. */
const RETRY_MS_MAX = 2_000;
const FAILURES_TOLERATED = 3;

export interface LeasedNode {
  name: string;
  uid: string;
  /** How long a renewal is good for. */
  leaseSeconds: number;
}

/** Runs until the signal fires. */
export async function keepLease(
  client: ResourceClient<Lease>,
  node: LeasedNode,
  now: () => WallTime,
  log: Log,
  /** Called when it has failed several times in a row: the connection may be dead. */
  onSilence: () => void,
  /** Called when it gets through again. */
  onAnswer: () => void,
  signal: AbortSignal,
): Promise<void> {
  const renewMs = node.leaseSeconds * 1000 / RENEWALS;
  let held: Lease | undefined;
  let failures = 0;
  while (!signal.aborted) {
    let wait = renewMs;
    try {
      held = await renew(client, node, held, now, signal);
      if (failures > 0) onAnswer();
      failures = 0;
    } catch (error) {
      if (signal.aborted) break;
      // Read anew: somebody else has written it, or it is gone.
      held = undefined;
      wait = Math.min(renewMs, RETRY_MS_MAX);
      if (++failures === 1) log.error("Cannot renew the node's lease", error);
      if (failures % FAILURES_TOLERATED === 0) onSilence();
    }
    await delay(wait, signal).catch(() => {});
  }
}

async function renew(
  client: ResourceClient<Lease>,
  node: LeasedNode,
  held: Lease | undefined,
  now: () => WallTime,
  signal: AbortSignal,
): Promise<Lease> {
  const options = { namespace: NAMESPACE, signal, timeoutMs: Math.max(1_000, node.leaseSeconds * 1000 / RENEWALS) };
  const renewTime = formatMicroTime(now());
  try {
    const lease = held ?? await client.get(node.name, options);
    const spec = { ...lease.spec, holderIdentity: node.name, leaseDurationSeconds: node.leaseSeconds, renewTime };
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
    spec: { holderIdentity: node.name, leaseDurationSeconds: node.leaseSeconds, renewTime },
  };
  return await client.create(fresh, options);
}
