/** Keeps as many pods running as a ReplicaSet wants. */
import { formatTime, type Pod, type ReplicaSet, type ReplicaSetCondition, resources } from "@k3ts/model/objects";
import { type Action, type Controller, controller } from "../../sdk/mod.ts";
import { podOf } from "../pod_template.ts";
import { planReplicaSet, type ReplicaSetAction, type ReplicaSetPlan } from "./plan.ts";

const FAILURE = "ReplicaFailure";

export default controller<ReplicaSet, { pods: readonly Pod[] }>({
  name: "replicaset",
  for: resources.replicasets,
  owns: { pods: resources.pods },
  selects: { pods: (set) => set.spec?.selector },
  plan: ({ object, pods, now }) => {
    const plan = planReplicaSet(object, pods, now);
    const status = statusOf(object, plan);
    return {
      ...plan,
      actions: plan.actions.flatMap((action) => act(action, object)),
      status,
      statusAfter: ({ action, message }) => ({
        ...status,
        conditions: [...status.conditions ?? [], failure(object, action.do, message, now)],
      }),
    };
  },
}) satisfies Controller;

function act(action: ReplicaSetAction, set: ReplicaSet): Action[] {
  const resource = resources.pods;
  if (action.do === "create") {
    return Array.from(
      { length: action.count },
      () => ({
        do: "create",
        resource,
        object: podOf(set, resources.replicasets, set.spec?.template),
        tells: { reason: "SuccessfulCreate", message: "Created pod: " },
      }),
    );
  }
  if (action.do === "delete") {
    const tells = { reason: "SuccessfulDelete", message: "Deleted pod: " };
    return [{ do: "delete", resource, object: action.pod, because: action.because, tells }];
  }
  return [{ do: action.do, resource, object: action.pod }];
}

/** Conditions that others have written stay; zero counts are left out, as Kubernetes writes them. */
function statusOf(set: ReplicaSet, { status }: ReplicaSetPlan): NonNullable<ReplicaSet["status"]> {
  const { replicas, terminatingReplicas, observedGeneration, ...counts } = status;
  const nonzero = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  const conditions = set.status?.conditions?.filter(({ type }) => type !== FAILURE) ?? [];
  return {
    replicas,
    ...nonzero,
    ...(observedGeneration !== undefined && { observedGeneration }),
    ...(conditions.length > 0 && { conditions }),
    terminatingReplicas,
  };
}

/** What was said before stands while the reason is the same: messages name pods, and every try names others. */
function failure(set: ReplicaSet, action: string, message: string, now: number): ReplicaSetCondition {
  const before = set.status?.conditions?.find(({ type }) => type === FAILURE);
  const reason = action === "delete" ? "FailedDelete" : "FailedCreate";
  if (before?.status === "True" && before.reason === reason) return before;
  return { type: FAILURE, status: "True", reason, message, lastTransitionTime: formatTime(now) };
}
