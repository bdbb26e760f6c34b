/** Gives every pod a node. */
import {
  formatTime,
  isBound,
  isTerminal,
  type Node,
  type Pod,
  type PodCondition,
  resources,
} from "@k3ts/model/objects";
import { type Action, type Controller, controller, type Plan } from "../sdk/mod.ts";
import { place } from "./plan.ts";

const NAME = "default-scheduler";

export default controller<Pod, { nodes: readonly Node[]; bound: readonly Pod[] }>({
  name: "scheduler",
  user: "system:kube-scheduler",
  component: NAME,
  for: resources.pods,
  maps: {
    nodes: {
      resource: resources.nodes,
      find: (_pod, nodes) => nodes.list(),
      wakes: (_node, pods) => pods.list().filter(waits),
    },
    bound: {
      resource: resources.pods,
      find: (_pod, pods) => pods.list().filter((other) => isBound(other) && !isTerminal(other)),
      // A pod that ends or leaves makes room.
      wakes: (other, pods) =>
        isBound(other) && (isTerminal(other) || other.metadata.deletionTimestamp !== undefined)
          ? pods.list().filter(waits)
          : [],
    },
  },
  when: waits,
  // Each placement must see the one before it.
  serial: true,
  plan: ({ object, nodes, bound, now }) => schedule(object, nodes, bound, now),
}) satisfies Controller;

function waits(pod: Pod): boolean {
  return !isBound(pod) && !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined &&
    pod.spec?.schedulerName === NAME && (pod.spec.schedulingGates ?? []).length === 0;
}

function schedule(pod: Pod, nodes: readonly Node[], bound: readonly Pod[], now: number): Plan {
  const placement = place(pod, nodes, bound);
  const about = `${pod.metadata.namespace}/${pod.metadata.name}`;
  if ("node" in placement) {
    return {
      actions: [bind(pod, placement.node), {
        do: "event",
        type: "Normal",
        reason: "Scheduled",
        message: `Successfully assigned ${about} to ${placement.node}`,
      }],
    };
  }
  const known = pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
  if (known?.message === placement.reason) return { actions: [] };
  const condition: PodCondition = {
    type: "PodScheduled",
    status: "False",
    reason: "Unschedulable",
    message: placement.reason,
    lastTransitionTime: known?.status === "False" ? known.lastTransitionTime : formatTime(now),
  };
  const conditions = [...(pod.status?.conditions ?? []).filter(({ type }) => type !== "PodScheduled"), condition];
  return {
    actions: [{ do: "event", type: "Warning", reason: "FailedScheduling", message: placement.reason }],
    status: { ...pod.status, conditions },
  };
}

function bind(pod: Pod, node: string): Action {
  const { name, namespace, uid } = pod.metadata;
  return {
    do: "post",
    resource: resources.pods,
    object: pod,
    subresource: "binding",
    body: {
      apiVersion: "v1",
      kind: "Binding",
      metadata: { name, namespace, uid },
      target: { apiVersion: "v1", kind: "Node", name: node },
    },
  };
}
