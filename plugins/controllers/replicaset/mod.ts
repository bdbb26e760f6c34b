/** Keeps as many pods running as a ReplicaSet wants. */
import { type Pod, type ReplicaSet, resources } from "@k3ts/model";
import { type Action, type Controller, controller } from "../../sdk/mod.ts";
import { podOf } from "../pod_template.ts";
import { planReplicaSet, type ReplicaSetAction, type ReplicaSetPlan } from "./plan.ts";

export default controller<ReplicaSet, { pods: readonly Pod[] }>({
  name: "replicaset",
  for: resources.replicasets,
  owns: { pods: resources.pods },
  selects: { pods: (set) => set.spec?.selector },
  plan: ({ object, pods, now }) => {
    const plan = planReplicaSet(object, pods, now);
    return { ...plan, actions: plan.actions.flatMap((action) => act(action, object)), status: statusOf(object, plan) };
  },
}) satisfies Controller;

function act(action: ReplicaSetAction, set: ReplicaSet): Action[] {
  const resource = resources.pods;
  if (action.do === "create") {
    return Array.from(
      { length: action.count },
      () => ({ do: "create", resource, object: podOf(set, resources.replicasets, set.spec?.template) }),
    );
  }
  if (action.do === "delete") return [{ do: "delete", resource, object: action.pod, because: action.because }];
  return [{ do: action.do, resource, object: action.pod }];
}

/** Conditions that others have written stay; zero counts are left out, as Kubernetes writes them. */
function statusOf(set: ReplicaSet, { status }: ReplicaSetPlan): object {
  const { replicas, observedGeneration, ...counts } = status;
  const nonzero = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  const { conditions, terminatingReplicas } = set.status ?? {};
  return {
    replicas,
    ...nonzero,
    observedGeneration,
    ...(conditions && { conditions }),
    ...(terminatingReplicas && { terminatingReplicas }),
  };
}
