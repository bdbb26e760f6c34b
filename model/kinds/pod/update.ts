/** What of a pod may change. */
import { cloneJson, equalJson, type JsonObject } from "../../json.ts";
import type { ContainerStatus, Pod, PodSpec } from "../../types/mod.ts";
import { type FieldError, forbidden, invalid, required } from "../field_error.ts";
import { immutable } from "../metadata.ts";
import { validateNodeName } from "../names_of_others.ts";
import { equalSemantically, normalObject } from "../semantics.ts";
import { validateIP, validateQualifiedName } from "../values.ts";

const CHANGEABLE = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
];
const SECONDS_MAX = 2 ** 31 - 1;

export function validatePodChange(next: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = [];
  const to = next.spec;
  const from = old.spec;
  for (const list of ["containers", "initContainers"] as const) {
    const { errors: found, stop } = validateImages(to[list] ?? [], from[list] ?? [], `spec.${list}`);
    errors.push(...found);
    if (stop) return errors;
  }
  const deadline = validateDeadline(to.activeDeadlineSeconds, from.activeDeadlineSeconds);
  errors.push(...deadline);
  if (deadline.length > 0 && to.activeDeadlineSeconds !== undefined) return errors;
  errors.push(...validateTolerationChange(to, from), ...validateGateChange(to, from));
  return [...errors, ...validateRest(next, old)];
}

function validateImages(
  next: readonly { image?: string }[],
  old: readonly { image?: string }[],
  path: string,
): { errors: FieldError[]; stop: boolean } {
  if (next.length !== old.length) {
    return { errors: [forbidden(path, "pod updates may not add or remove containers")], stop: true };
  }
  const errors = next.flatMap(({ image = "" }, index) => {
    const at = `${path}[${index}].image`;
    if (image === "") return [required(at)];
    return image.trim() === image ? [] : [invalid(at, image, "must not have leading or trailing whitespace")];
  });
  return { errors, stop: false };
}

function validateDeadline(next: number | undefined, old: number | undefined): FieldError[] {
  const path = "spec.activeDeadlineSeconds";
  if (next === undefined) {
    return old === undefined ? [] : [invalid(path, null, "must not update from a positive integer to nil value")];
  }
  if (next < 0 || next > SECONDS_MAX) return [invalid(path, next, `must be between 0 and ${SECONDS_MAX}, inclusive`)];
  return old !== undefined && old < next ? [invalid(path, next, "must be less than or equal to previous value")] : [];
}

/** Tolerations may be added, and how long one lasts may change. */
function validateTolerationChange(to: PodSpec, from: PodSpec): FieldError[] {
  const lasting = (to.tolerations ?? []).map(({ tolerationSeconds: _, ...toleration }) => toleration);
  const lost = (from.tolerations ?? []).some(({ tolerationSeconds: _, ...toleration }) =>
    !lasting.some((kept) => equalJson(kept, toleration))
  );
  return lost
    ? [forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")]
    : [];
}

function validateGateChange(to: PodSpec, from: PodSpec): FieldError[] {
  const before = new Set((from.schedulingGates ?? []).map(({ name }) => name));
  return (to.schedulingGates ?? []).flatMap(({ name = "" }, index) =>
    before.has(name) ? [] : [
      forbidden(
        `spec.schedulingGates[${index}].name`,
        `only deletion is allowed, but found new scheduling gate '${name}'`,
      ),
    ]
  );
}

/** Everything else stays; while gates hold a pod back, where it may go can still be narrowed. */
function validateRest(next: Pod, old: Pod): FieldError[] {
  const from = normalObject(old, "v1.Pod").spec;
  const to = cloneJson(normalObject(next, "v1.Pod").spec);
  to.containers.forEach((container, index) => restore(container, from.containers[index], "image"));
  to.initContainers?.forEach((container, index) => restore(container, from.initContainers?.[index], "image"));
  for (const field of ["activeDeadlineSeconds", "tolerations", "schedulingGates"] as const) restore(to, from, field);
  if ((from.terminationGracePeriodSeconds ?? 0) < 0 && to.terminationGracePeriodSeconds === 1) {
    restore(to, from, "terminationGracePeriodSeconds");
  }
  const errors: FieldError[] = [];
  if ((from.schedulingGates?.length ?? 0) > 0) {
    const before = Object.entries(from.nodeSelector ?? {});
    const lost = before.some(([key, value]) => to.nodeSelector?.[key] !== value);
    if (lost) errors.push(invalid("spec.nodeSelector", to.nodeSelector ?? {}, "only additions are allowed"));
    restore(to, from, "nodeSelector");
    restore(to, from, "affinity");
  }
  if (equalSemantically(to, from)) return errors;
  const changed = changedFields(to, from).join("\n");
  return [
    ...errors,
    forbidden("spec", `pod updates may not change fields other than ${CHANGEABLE.join(",")}\n${changed}`),
  ];
}

function restore<T extends object, K extends keyof T>(to: T, from: T | undefined, field: K): void {
  if (from?.[field] === undefined) delete to[field];
  else to[field] = from[field];
}

/** What differs, a line a field: `spec.hostNetwork: false → true`. */
function changedFields(to: PodSpec, from: PodSpec): string[] {
  const after = to as unknown as JsonObject;
  const before = from as unknown as JsonObject;
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
    .filter((name) => !equalSemantically(after[name], before[name]))
    .map((name) => `  spec.${name}: ${show(before[name])} → ${show(after[name])}`);
}

const SHOWN_LENGTH_MAX = 400;

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > SHOWN_LENGTH_MAX ? `${text.slice(0, SHOWN_LENGTH_MAX)}…` : text;
}

export function validatePodStatus(next: Pod, old: Pod): FieldError[] {
  const { status = {} } = next;
  const before = old.status ?? {};
  const errors: FieldError[] = [];
  for (const [index, { type = "" }] of (status.conditions ?? []).entries()) {
    if (!type.includes("/")) continue;
    errors.push(...validateQualifiedName(type, `status.conditions[${index}].Type`));
  }
  const nominated = status.nominatedNodeName ?? "";
  if (nominated !== "" && nominated !== before.nominatedNodeName) {
    const path = "status.nominatedNodeName";
    errors.push(...validateNodeName(nominated, path));
    if (old.spec.nodeName) errors.push(forbidden(path, "may not be set on pods that are already bound to a node"));
  }
  if ((status.observedGeneration ?? 0) < 0) {
    errors.push(invalid("status.observedGeneration", status.observedGeneration, "must be a non-negative integer"));
  }
  errors.push(...immutable("status.qosClass", status.qosClass ?? "", before.qosClass ?? ""));
  errors.push(
    ...validateTransitions(status.containerStatuses, before.containerStatuses, old, "status.containerStatuses"),
  );
  for (const field of ["podIPs", "hostIPs"] as const) {
    for (const [index, { ip = "" }] of (status[field] ?? []).entries()) {
      errors.push(...validateIP(ip, `status.${field}[${index}]`));
    }
  }
  return errors;
}

/** What has ended and is not to be started again has ended. */
function validateTransitions(
  next: readonly ContainerStatus[] | undefined,
  old: readonly ContainerStatus[] | undefined,
  { spec }: Pod,
  path: string,
): FieldError[] {
  return (old ?? []).flatMap((before, index) => {
    const ended = before.state?.terminated;
    const after = next?.find(({ name }) => name === before.name);
    if (ended === undefined || after === undefined || after.state?.terminated !== undefined) return [];
    const policy = spec.containers.find(({ name }) => name === before.name)?.restartPolicy ?? spec.restartPolicy;
    const restarts = policy === "Always" || (policy === "OnFailure" && ended.exitCode !== 0);
    return restarts ? [] : [forbidden(`${path}[${index}].state`, "may not be transitioned to non-terminated state")];
  });
}
