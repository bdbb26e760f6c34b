/** Runs a pod on every node that is for it. */
import {
  type ControllerRevision,
  type DaemonSet,
  type Draft,
  type Node,
  type Pod,
  resources,
} from "@k3ts/model/objects";
import { isDeepStrictEqual } from "node:util";
import { type Action, type Controller, controller, controllerReference, create } from "../../sdk/mod.ts";
import { podOf } from "../pod_template.ts";
import { hashedName } from "../template_hash.ts";
import { Failures } from "./failures.ts";
import { type DaemonSetAction, planDaemonSet } from "./plan.ts";
import { HASH, templateFor } from "./pods.ts";

const failures = new Failures();

export default controller<DaemonSet, {
  pods: readonly Pod[];
  revisions: readonly ControllerRevision[];
  namesakes: readonly ControllerRevision[];
  nodes: readonly Node[];
}>({
  name: "daemonset",
  user: "system:serviceaccount:kube-system:daemon-set-controller",
  for: resources.daemonsets,
  owns: { pods: resources.pods, revisions: resources.controllerrevisions },
  selects: { pods: ({ spec }) => spec.selector, revisions: ({ spec }) => spec.selector },
  maps: {
    namesakes: {
      resource: resources.controllerrevisions,
      find: (daemonSet, revisions) => {
        const found = revisions.get(daemonSet.metadata.namespace!, hashedName(daemonSet));
        return found === undefined ? [] : [found];
      },
      wakes: () => [],
    },
    nodes: {
      resource: resources.nodes,
      find: (_daemonSet, nodes) => nodes.list(),
      wakes: (_node, daemonSets) => daemonSets.list(),
      matters: (now, before) =>
        !isDeepStrictEqual(now.metadata.labels, before.metadata.labels) ||
        !isDeepStrictEqual(now.spec?.taints, before.spec?.taints),
    },
  },
  plan: ({ object, nodes, pods, revisions, namesakes, now, monotonic }) => {
    const { uid, generation } = object.metadata;
    const keyOf = (node: string) => `${uid}/${generation}/${node}`;
    const plan = planDaemonSet(object, {
      nodes,
      pods,
      revisions,
      isTaken: () => namesakes.length > 0,
      waitsUntil: (node) => now + failures.waitMs(keyOf(node), monotonic),
    }, now);
    for (const node of plan.failedOn) failures.note(keyOf(node), monotonic);
    const { actions, status, reconsiderAt } = plan;
    return { actions: actions.flatMap((action) => act(action, object)), status, reconsiderAt };
  },
}) satisfies Controller;

function act(action: DaemonSetAction, daemonSet: DaemonSet): Action[] {
  const resource = resources.pods;
  const revisions = resources.controllerrevisions;
  switch (action.do) {
    case "adopt":
    case "release":
      return [{ do: action.do, resource, object: action.pod }];
    case "adoptRevision":
      return [{ do: "adopt", resource: revisions, object: action.revision }];
    case "releaseRevision":
      return [{ do: "release", resource: revisions, object: action.revision }];
    case "record":
      return [create(revisions, revisionOf(daemonSet, action))];
    case "renumber":
      return [{
        do: "update",
        resource: revisions,
        object: { ...action.revision, revision: action.to } as ControllerRevision,
      }];
    case "forget":
      return [{ do: "delete", resource: revisions, object: action.revision, because: action.because }];
    case "relabel":
      return [{ do: "patch", resource, object: action.pod, patch: { metadata: { labels: { [HASH]: action.hash } } } }];
    case "create":
      return [{
        do: "create",
        resource,
        object: podOf(daemonSet, resources.daemonsets, templateFor(daemonSet, action.node, action.hash)),
        tells: { reason: "SuccessfulCreate", message: "Created pod: " },
      }];
    case "delete": {
      const tells = { reason: "SuccessfulDelete", message: "Deleted pod: " };
      return [{ do: "delete", resource, object: action.pod, because: action.because, tells }];
    }
    case "tell": {
      const { type, reason, message } = action;
      return [{ do: "event", type, reason, message }];
    }
  }
}

function revisionOf(
  daemonSet: DaemonSet,
  { name, hash, data, revision }: Extract<DaemonSetAction, { do: "record" }>,
): Draft<ControllerRevision> {
  const { namespace, annotations } = daemonSet.metadata;
  return {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name,
      namespace,
      labels: { ...daemonSet.spec.template.metadata?.labels, [HASH]: hash },
      annotations,
      ownerReferences: [controllerReference(daemonSet, resources.daemonsets)],
    },
    data,
    revision,
  };
}
