import { qosClass } from "../pods.ts";
import type { Pod } from "../types/mod.ts";
import { defineKind } from "./define.ts";
import { type FieldError, forbidden, invalid } from "./field_error.ts";
import { defaultPod, defaultPodSpec } from "./pod/defaults.ts";
import { POD_COLUMNS, podRow } from "./pod/row.ts";
import { validatePodSpec } from "./pod/spec.ts";
import { validatePodChange, validatePodStatus } from "./pod/update.ts";

export const pod = defineKind<Pod>({
  resource: "pods",
  type: "v1.Pod",
  namespaced: true,
  hasStatus: true,
  bumpsGeneration: true,
  defaults(object) {
    object.spec ??= { containers: [] };
    defaultPodSpec(object.spec);
    defaultPod(object.spec);
  },
  prepareForCreate(object) {
    object.status = { phase: "Pending", qosClass: qosClass(object) };
    if (!object.spec.schedulingGates?.length) return;
    const message = "Scheduling is blocked due to non-empty scheduling gates";
    object.status.conditions = [{ type: "PodScheduled", status: "False", reason: "SchedulingGated", message }];
  },
  prepareForUpdate(next, old, subresource) {
    if (subresource !== "status") return;
    if (old.metadata.ownerReferences === undefined) delete next.metadata.ownerReferences;
    else next.metadata.ownerReferences = old.metadata.ownerReferences;
    const status = next.status ??= {};
    if (!status.qosClass && old.status?.qosClass) status.qosClass = old.status.qosClass;
    keepAddresses(next);
  },
  validate(object, old) {
    const errors = validatePodSpec(object.spec, "spec");
    errors.push(...refuseSpaces(object));
    if (!object.spec.serviceAccountName) errors.push(...refuseTokens(object));
    if (old !== undefined) return errors;
    if (object.spec.ephemeralContainers?.length) {
      errors.push(forbidden("spec.ephemeralContainers", "cannot be set on create"));
    }
    if (object.spec.nodeName && object.spec.schedulingGates?.length) {
      errors.push(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"));
    }
    return errors;
  },
  validateChange: validatePodChange,
  validateStatus: validatePodStatus,
  columns: POD_COLUMNS,
  row: podRow,
  selectableFields: ({ spec, status }) => ({
    "spec.nodeName": spec.nodeName ?? "",
    "spec.restartPolicy": spec.restartPolicy ?? "",
    "spec.schedulerName": spec.schedulerName ?? "",
    "spec.serviceAccountName": spec.serviceAccountName ?? "",
    "spec.hostNetwork": String(spec.hostNetwork ?? false),
    "status.phase": status?.phase ?? "",
    "status.podIP": status?.podIPs?.[0]?.ip ?? status?.podIP ?? "",
    "status.nominatedNodeName": status?.nominatedNodeName ?? "",
  }),
  resetFields: {
    "": { "f:status": {} },
    status: { "f:spec": {}, "f:metadata": { "f:deletionTimestamp": {}, "f:ownerReferences": {} } },
  },
});

/** The one address and the list of them say the same; whoever writes one writes both. */
function keepAddresses({ status = {} }: Pod): void {
  for (const [one, list] of [["podIP", "podIPs"], ["hostIP", "hostIPs"]] as const) {
    const first = status[list]?.[0]?.ip;
    if (first !== undefined && status[one] === undefined) status[one] = first;
    if (status[one] && !status[list]?.length) status[list] = [{ ip: status[one] }];
  }
}

/** Names of images are checked for it in pods only: templates were taken with them once. */
function refuseSpaces({ spec }: Pod): FieldError[] {
  return (["containers", "initContainers"] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap(({ image = "" }, index) =>
      image.trim() === image
        ? []
        : [invalid(`spec.${list}[${index}].image`, image, "must not have leading or trailing whitespace")]
    )
  );
}

function refuseTokens({ spec }: Pod): FieldError[] {
  return (spec.volumes ?? []).flatMap((volume, index) =>
    (volume.projected?.sources ?? []).flatMap(({ serviceAccountToken }, i) =>
      serviceAccountToken === undefined ? [] : [
        forbidden(
          `spec.volumes[${index}].projected.sources[${i}].serviceAccountToken`,
          "must not be specified when serviceAccountName is not set",
        ),
      ]
    )
  );
}
