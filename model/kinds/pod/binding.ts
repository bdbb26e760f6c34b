/** Putting a pod on a node: what `pods/binding` does. */
import { mergeConditions } from "../../meta.ts";
import { formatTime } from "../../time.ts";
import type { Binding, Pod } from "../../types/mod.ts";
import { type FieldError, notSupported, required } from "../field_error.ts";

/** The pod cannot be put on a node (409). */
export class BindingRefused extends Error {
  override name = "BindingRefused";
}

export function validateBinding({ target }: Binding): FieldError[] {
  const errors: FieldError[] = [];
  if (target?.kind && target.kind !== "Node") {
    errors.push(notSupported("target.kind", target.kind, ["Node", "<empty>"]));
  }
  if (!target?.name) errors.push(required("target.name"));
  return errors;
}

/**
 * The pod on its node.
 * @param now ms since the epoch
 * @throws {BindingRefused} it is on its way out, has a node, or is held back by gates
 */
export function bindPod(pod: Pod, binding: Binding, now: number): Pod {
  const { name } = pod.metadata;
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw new BindingRefused(`pod ${name} is being deleted, cannot be assigned to a host`);
  }
  if (pod.spec.nodeName) throw new BindingRefused(`pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  if (pod.spec.schedulingGates?.length) throw new BindingRefused(`pod ${name} has non-empty .spec.schedulingGates`);
  const annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations };
  const labels = { ...pod.metadata.labels, ...binding.metadata.labels };
  const { nominatedNodeName: _, ...status } = pod.status ?? {};
  const scheduled = { type: "PodScheduled", status: "True" as const };
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...(Object.keys(annotations).length > 0 && { annotations }),
      ...(Object.keys(labels).length > 0 && { labels }),
    },
    spec: { ...pod.spec, nodeName: binding.target.name! },
    // The scheduler's reason for not having placed it goes with the condition it explained.
    status: {
      ...status,
      conditions: [...mergeConditions(withoutScheduled(status.conditions), [scheduled], formatTime(now))],
    },
  };
}

function withoutScheduled<C extends { type: string; status: string }>(conditions: readonly C[] | undefined): C[] {
  return (conditions ?? []).filter(({ type, status }) => type !== "PodScheduled" || status === "True");
}
