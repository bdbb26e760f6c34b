/** Ending a pod that cannot stay where it is, and telling why in its status before it goes. */
import { isConflict, isNotFound, type ResourceClient } from "@k3ts/client";
import { formatTime, isTerminal, type Pod, type PodCondition } from "@k3ts/model/objects";

export interface PodEnd {
  /** Of the condition `DisruptionTarget` (KEP-3329); without it none is written. */
  because?: { reason: string; message: string };
  /** Nobody will ever say how it ended: it counts as failed, and is gone at once. @default false */
  force?: boolean;
}

/** What is gone already, or has changed meanwhile, is left to the next look. */
export async function endPod(
  client: ResourceClient<Pod>,
  pod: Pod,
  { because, force = false }: PodEnd,
  now: number,
  signal: AbortSignal,
): Promise<void> {
  const { name, namespace, uid } = pod.metadata;
  const known = pod.status?.conditions?.find(({ type }) => type === "DisruptionTarget");
  const condition: PodCondition | undefined = because === undefined || known?.reason === because.reason ? undefined : {
    type: "DisruptionTarget",
    status: "True",
    ...because,
    lastTransitionTime: formatTime(now),
  };
  const fails = force && !isTerminal(pod);
  try {
    // As the one that was read: another of its name is none of our business.
    if (fails || (condition !== undefined && !force)) {
      await client.patch(name, {
        namespace,
        type: "strategic",
        subresource: "status",
        patch: {
          metadata: { uid },
          status: {
            ...(fails && { phase: "Failed" }),
            ...(condition !== undefined && { conditions: [condition] }),
          },
        },
        signal,
      });
    }
    await client.delete(name, { namespace, preconditions: { uid }, ...(force && { gracePeriodSeconds: 0 }), signal });
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}
