import { equalJson } from "../json.ts";
import { ageOf } from "../time.ts";
import type { Node, Taint } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from "./field_error.ts";
import { validateLabelName } from "./labels.ts";
import { labelValueProblems } from "../names.ts";
import { canonicalResources, validateResourceValue } from "./resources.ts";
import { isIPv4 } from "../ipv4.ts";
import { validateCidr } from "./values.ts";

const ROLE_PREFIX = "node-role.kubernetes.io/";
const ROLE_LABEL = "kubernetes.io/role";
const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export const node = defineKind<Node>({
  resource: "nodes",
  type: "v1.Node",
  namespaced: false,
  hasStatus: true,
  defaults(object) {
    object.spec ??= {};
    object.status ??= {};
    const { spec, status } = object;
    if (spec.podCIDR && !spec.podCIDRs?.length) spec.podCIDRs = [spec.podCIDR];
    if (spec.podCIDRs?.length) spec.podCIDR = spec.podCIDRs[0]!;
    if (status.capacity !== undefined) status.allocatable ??= { ...status.capacity };
    canonicalResources(status.capacity);
    canonicalResources(status.allocatable);
  },
  validate(object) {
    const { spec = {}, status = {} } = object;
    const errors = validateTaints(spec.taints ?? [], "metadata.taints");
    for (const field of ["capacity", "allocatable"] as const) {
      for (const [name, value] of Object.entries(status[field] ?? {})) {
        errors.push(...validateResourceValue(name, value, `status.${field}.${name}`));
      }
    }
    return errors;
  },
  validateChange(next, old) {
    const errors: FieldError[] = [];
    const before = old.spec ?? {};
    const after = next.spec ?? {};
    if (before.podCIDRs?.length && !equalJson(before.podCIDRs, after.podCIDRs)) {
      errors.push(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'));
    } else if (!before.podCIDRs?.length) errors.push(...validatePodCidrs(after.podCIDRs ?? []));
    if (before.providerID && before.providerID !== after.providerID) {
      errors.push(forbidden("spec.providerID", 'node updates may not change providerID except from "" to valid'));
    }
    return errors;
  },
  validateStatus(next) {
    const seen = new Set<string>();
    const errors: FieldError[] = [];
    for (const [index, address] of (next.status?.addresses ?? []).entries()) {
      const key = `${address.type} ${address.address}`;
      if (seen.has(key)) errors.push(duplicate(`status.addresses[${index}]`, address));
      seen.add(key);
    }
    for (const field of ["capacity", "allocatable"] as const) {
      for (const [name, value] of Object.entries(next.status?.[field] ?? {})) {
        errors.push(...validateResourceValue(name, value, `status.${field}.${name}`));
      }
    }
    return errors;
  },
  columns: [
    NAME_COLUMN,
    column("Status", "Whether it is ready, and whether pods may be put on it."),
    column("Roles", "What it is for."),
    AGE_COLUMN,
    column("Version", "The version of its agent."),
    column("Internal-IP", "Its address within the cluster.", { wide: true }),
    column("External-IP", "Its address outside the cluster.", { wide: true }),
    column("OS-Image", "Its operating system.", { wide: true }),
    column("Kernel-Version", "Its kernel.", { wide: true }),
    column("Container-Runtime", "What runs its containers.", { wide: true }),
  ],
  row: (object, now) => {
    const info = object.status?.nodeInfo;
    const address = (type: string) => object.status?.addresses?.find((each) => each.type === type)?.address ?? "<none>";
    return [
      object.metadata.name,
      showStatus(object),
      rolesOf(object).join(",") || "<none>",
      ageOf(object.metadata.creationTimestamp, now),
      info?.kubeletVersion ?? "",
      address("InternalIP"),
      address("ExternalIP"),
      info?.osImage || "<unknown>",
      info?.kernelVersion || "<unknown>",
      info?.containerRuntimeVersion || "<unknown>",
    ];
  },
  selectableFields: ({ spec }) => ({ "spec.unschedulable": String(spec?.unschedulable ?? false) }),
  keepsStatusOnCreate: true,
});

function validateTaints(taints: readonly Taint[], path: string): FieldError[] {
  const seen = new Set<string>();
  return taints.flatMap((taint, index) => {
    const at = `${path}[${index}]`;
    const errors = validateLabelName(taint.key ?? "", `${at}.key`);
    const problems = labelValueProblems(taint.value ?? "");
    if (problems.length > 0) errors.push(invalid(`${at}.value`, taint.value, problems.join(";")));
    errors.push(...validateTaintEffect(taint.effect, false, `${at}.effect`));
    const key = `${taint.effect} ${taint.key}`;
    if (seen.has(key)) {
      const { type, field, body } = duplicate(at, taint);
      errors.push({ type, field, body: `${body}: taints must be unique by key and effect pair` });
    }
    seen.add(key);
    return errors;
  });
}

export function validateTaintEffect(effect: string | undefined, allowsEmpty: boolean, path: string): FieldError[] {
  if (effect && EFFECTS.includes(effect)) return [];
  if (effect) return [notSupported(path, effect, EFFECTS)];
  return allowsEmpty ? [] : [required(path)];
}

function validatePodCidrs(cidrs: readonly string[]): FieldError[] {
  const path = "spec.podCIDRs";
  const errors = cidrs.flatMap((cidr, index) => validateCidr(cidr, `${path}[${index}]`));
  const families = new Set(cidrs.map((cidr) => isIPv4(cidr.split("/")[0]!)));
  if (cidrs.length > 1 && (families.size < 2 || cidrs.length > 2)) {
    errors.push(invalid(path, cidrs, "may specify no more than one CIDR for each IP family"));
  }
  return errors;
}

function showStatus({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  const words = [ready === undefined ? "Unknown" : ready.status === "True" ? "Ready" : "NotReady"];
  if (spec?.unschedulable) words.push("SchedulingDisabled");
  return words.join(",");
}

function rolesOf({ metadata }: Node): string[] {
  const roles = new Set<string>();
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length));
    else if (key === ROLE_LABEL && value !== "") roles.add(value);
  }
  return [...roles].sort();
}
