/** Gives every pod a node. */
import {
  formatTime,
  isBound,
  isTerminal,
  type Namespace,
  type Node,
  type Pod,
  type PodCondition,
  resources,
} from "@k3ts/model/objects";
import { isDeepStrictEqual } from "node:util";
import { type Action, type Controller, controller, type Plan } from "../sdk/mod.ts";
import { place, type Placement } from "./plan.ts";

const NAME = "default-scheduler";

export default controller<Pod, {
  nodes: readonly Node[];
  bound: readonly Pod[];
  namespaces: readonly Namespace[];
}>({
  name: "scheduler",
  user: "system:kube-scheduler",
  component: NAME,
  for: resources.pods,
  maps: {
    nodes: {
      resource: resources.nodes,
      find: (_pod, nodes) => nodes.list(),
      wakes: (_node, pods) => pods.list().filter(waits),
      matters: (now, before) => !isDeepStrictEqual(relevant(now), relevant(before)),
    },
    namespaces: { resource: resources.namespaces, find: (_pod, namespaces) => namespaces.list(), wakes: () => [] },
    bound: {
      resource: resources.pods,
      find: (_pod, pods) => pods.list().filter((other) => isBound(other) && !isTerminal(other)),
      // A pod that ends or leaves makes room; one that has come may be the company that another one waits for.
      wakes: (other, pods) => {
        if (!isBound(other)) return [];
        const leaves = isTerminal(other) || other.metadata.deletionTimestamp !== undefined;
        return pods.list().filter((pod) => waits(pod) && (leaves || minds(pod)));
      },
      matters: (now, before) =>
        isBound(now) !== isBound(before) || isTerminal(now) !== isTerminal(before) ||
        now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp ||
        !isDeepStrictEqual(now.metadata.labels, before.metadata.labels),
    },
  },
  when: waits,
  // Each placement must see the one before it.
  serial: true,
  attempts: {
    counter: "scheduler_schedule_attempts_total",
    help: "Pods that a node was looked for, by whether there was one.",
    resultOf: ({ actions }) => actions.some((action) => action.do === "post") ? "scheduled" : "unschedulable",
  },
  plan: ({ object, nodes, bound, namespaces, now }) => schedule(object, place(object, nodes, bound, namespaces), now),
}) satisfies Controller;

/** What of a node decides where pods go; its heartbeat does not. */
function relevant({ metadata, spec, status }: Node): unknown {
  const ready = status?.conditions?.find(({ type }) => type === "Ready")?.status;
  return [metadata.labels, spec, status?.allocatable, ready];
}

/** Whether it matters to the pod which others are where. */
function minds({ spec }: Pod): boolean {
  return spec.affinity?.podAffinity !== undefined || (spec.topologySpreadConstraints ?? []).length > 0;
}

function waits(pod: Pod): boolean {
  return !isBound(pod) && !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined &&
    pod.spec?.schedulerName === NAME && (pod.spec.schedulingGates ?? []).length === 0;
}

function schedule(pod: Pod, placement: Placement, now: number): Plan {
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
