/** Rolls a Deployment out by way of ReplicaSets. */
import { controllerOf, type Deployment, isTerminal, type Pod, type ReplicaSet, resources } from "@k3ts/model/objects";
import { type Action, type Controller, controller, controllerReference, create } from "../../sdk/mod.ts";
import { REVISION } from "./annotations.ts";
import { type DeploymentAction, planDeployment } from "./plan.ts";
import { HASH_LABEL, hashedName } from "../template_hash.ts";

export default controller<Deployment, {
  sets: readonly ReplicaSet[];
  namesakes: readonly ReplicaSet[];
  pods: readonly Pod[];
}>({
  name: "deployment",
  for: resources.deployments,
  owns: { sets: resources.replicasets },
  selects: { sets: (deployment) => deployment.spec?.selector },
  maps: {
    namesakes: {
      resource: resources.replicasets,
      find: (deployment, sets) => {
        const found = sets.get(deployment.metadata.namespace!, hashedName(deployment));
        return found === undefined ? [] : [found];
      },
      wakes: () => [],
    },
    pods: {
      resource: resources.pods,
      find: (deployment, pods) =>
        deployment.spec?.strategy?.type === "Recreate" ? pods.list(deployment.metadata.namespace) : [],
      // A rollout by Recreate waits until the last pod has gone; counts of pods reach us through the ReplicaSets.
      wakes: (pod, deployments) =>
        pod.metadata.deletionTimestamp === undefined
          ? []
          : deployments.list(pod.metadata.namespace).filter((deployment) =>
            deployment.spec?.strategy?.type === "Recreate"
          ),
    },
  },
  plan: ({ object, sets, namesakes, pods, now }) => {
    const podsOf = (set: ReplicaSet) =>
      pods.filter((pod) => controllerOf(pod)?.uid === set.metadata.uid && !isTerminal(pod)).length;
    const isTaken = () => namesakes.length > 0;
    const { actions, status, revision, reconsiderAt } = planDeployment(object, sets, podsOf, isTaken, now);
    const annotate: Action[] = revision === undefined ? [] : [{
      // Not a patch, for which the role of this controller has no right.
      do: "update",
      resource: resources.deployments,
      object: {
        ...object,
        metadata: { ...object.metadata, annotations: { ...object.metadata.annotations, [REVISION]: revision } },
      },
    }];
    return {
      actions: [...actions.flatMap((action) => act(action, object)), ...annotate],
      // The annotation makes the object newer than the one that the status was computed for: the next round writes it.
      ...(annotate.length === 0 && { status }),
      reconsiderAt,
    };
  },
}) satisfies Controller;

function act(action: DeploymentAction, deployment: Deployment): Action[] {
  const resource = resources.replicasets;
  switch (action.do) {
    case "adopt":
    case "release":
      return [{ do: action.do, resource, object: action.set }];
    case "createSet":
      return [
        create(resource, setOf(deployment, action)),
        told(`Scaled up replica set ${action.name} from 0 to ${action.replicas}`),
      ];
    case "scale": {
      const { set: object, replicas, annotations, because } = action;
      const patch = { metadata: { annotations }, spec: { replicas } };
      return [
        { do: "patch", resource, object, patch },
        ...(because === undefined ? [] : [told(because)]),
      ];
    }
    case "refresh": {
      const { set: object, annotations, minReadySeconds } = action;
      return [{ do: "patch", resource, object, patch: { metadata: { annotations }, spec: { minReadySeconds } } }];
    }
    case "deleteSet":
      return [{ do: "delete", resource, object: action.set, because: action.because }];
  }
}

function told(message: string): Action {
  return { do: "event", type: "Normal", reason: "ScalingReplicaSet", message };
}

function setOf(
  deployment: Deployment,
  { name, hash, replicas, annotations }: Extract<DeploymentAction, { do: "createSet" }>,
) {
  const { template, selector, minReadySeconds } = deployment.spec!;
  const labels = { ...template?.metadata?.labels, [HASH_LABEL]: hash };
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata: {
      name,
      namespace: deployment.metadata.namespace,
      labels,
      annotations,
      ownerReferences: [controllerReference(deployment, resources.deployments)],
    },
    spec: {
      replicas,
      minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template?.metadata, labels } },
    },
  };
}
