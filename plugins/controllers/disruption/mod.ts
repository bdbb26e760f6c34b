/** Keeps the numbers of disruption budgets, by which evictions are let through. */
import {
  type Deployment,
  isReady,
  isUnder,
  type Pod,
  type PodDisruptionBudget,
  type ReplicaSet,
  resources,
} from "@k3ts/model/objects";
import { isDeepStrictEqual } from "node:util";
import { type Action, type Controller, controller, type View } from "../../sdk/mod.ts";
import { planBudget } from "./plan.ts";

type Scaled = ReplicaSet | Deployment;

export default controller<PodDisruptionBudget, {
  pods: readonly Pod[];
  sets: readonly ReplicaSet[];
  deployments: readonly Deployment[];
}>({
  name: "disruption",
  for: resources.poddisruptionbudgets,
  maps: {
    pods: {
      resource: resources.pods,
      find: (budget, pods) => pods.list(budget.metadata.namespace).filter((pod) => isUnder(budget, pod)),
      wakes: (pod, budgets) => budgets.list(pod.metadata.namespace).filter((budget) => isUnder(budget, pod)),
      matters: (now, before) =>
        isReady(now) !== isReady(before) || now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp ||
        !isDeepStrictEqual(now.metadata.labels, before.metadata.labels) ||
        !isDeepStrictEqual(now.metadata.ownerReferences, before.metadata.ownerReferences),
    },
    sets: { resource: resources.replicasets, find: inNamespace, wakes: wakeNamespace, matters: isScaled },
    deployments: { resource: resources.deployments, find: inNamespace, wakes: wakeNamespace, matters: isScaled },
  },
  plan: ({ object, pods, sets, deployments, now }) => {
    const { status, told, reconsiderAt } = planBudget(object, pods, { sets, deployments }, now);
    // Said once, when it comes to be so.
    const isNews = !isDeepStrictEqual(status, object.status);
    const actions = isNews ? told.map((event): Action => ({ do: "event", ...event })) : [];
    return { actions, status, reconsiderAt };
  },
}) satisfies Controller;

function inNamespace<T>({ metadata }: PodDisruptionBudget, all: View<T>): readonly T[] {
  return all.list(metadata.namespace);
}

function wakeNamespace({ metadata }: Scaled, budgets: View<PodDisruptionBudget>): readonly PodDisruptionBudget[] {
  return budgets.list(metadata.namespace);
}

function isScaled(now: Scaled, before: Scaled): boolean {
  return now.spec?.replicas !== before.spec?.replicas ||
    !isDeepStrictEqual(now.metadata.ownerReferences, before.metadata.ownerReferences);
}
