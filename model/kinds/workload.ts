/** What Deployments, ReplicaSets and the like share: a template, a selector for its pods, a number of them. */
import { formatLabelSelector, type LabelSelectorData, matches, SelectorError } from "../selectors/mod.ts";
import type { PodTemplateSpec } from "../types/mod.ts";
import { column } from "./define.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "./field_error.ts";
import type { ApiObject, Column, ScaleRules } from "./kind.ts";
import { validateLabelSelector } from "./labels.ts";
import { defaultPodSpec } from "./pod/defaults.ts";
import { validatePodTemplate } from "./pod/spec.ts";
import { validateNonnegative } from "./values.ts";

export interface WorkloadSpec {
  replicas?: number;
  minReadySeconds?: number;
  selector?: LabelSelectorData;
  template?: PodTemplateSpec;
}

export function defaultWorkload(spec: WorkloadSpec): void {
  spec.replicas ??= 1;
  defaultTemplate(spec);
}

export function defaultTemplate(spec: { template?: PodTemplateSpec }): void {
  const template = spec.template ??= {};
  template.metadata ??= {};
  template.spec ??= { containers: [] };
  defaultPodSpec(template.spec);
}

export function validateWorkload(spec: WorkloadSpec): FieldError[] {
  const errors = [
    ...validateNonnegative(spec.replicas, "spec.replicas"),
    ...validateNonnegative(spec.minReadySeconds, "spec.minReadySeconds"),
  ];
  if (spec.selector === undefined) errors.push(required("spec.selector"));
  return [...errors, ...validateServingPods(spec, "deployment", "ReplicaSet")];
}

/** Of whatever keeps pods running: that it selects them, and that they are to run for ever. Named as refusals name it. */
export function validateServingPods(
  { selector, template = {} }: WorkloadSpec,
  selecting: string,
  running: string,
): FieldError[] {
  const path = "spec.template";
  const errors: FieldError[] = [];
  if (selector === undefined) {
    // What is not given selects nothing, and so not the template either.
    errors.push(mismatch(template));
  } else {
    errors.push(...validateLabelSelector(selector, "spec.selector"));
    const isEmpty = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0) === 0;
    if (isEmpty) errors.push(invalid("spec.selector", selector, `empty selector is invalid for ${selecting}`));
    try {
      if (!isEmpty) errors.push(...validateSelects(selector, template, path));
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error;
      return [...errors, invalid("spec.selector", selector, "invalid label selector")];
    }
  }
  errors.push(...validatePodTemplate(template, path));
  const policy = template.spec?.restartPolicy ?? "";
  if (policy !== "Always") errors.push(notSupported(`${path}.spec.restartPolicy`, policy, ["Always"]));
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    const detail = `activeDeadlineSeconds in ${running} is not Supported`;
    errors.push(forbidden(`${path}.spec.activeDeadlineSeconds`, detail));
  }
  return errors;
}

/** @throws {SelectorError} it is no selector */
export function validateSelects(selector: LabelSelectorData, template: PodTemplateSpec, path: string): FieldError[] {
  return matches(selector, template.metadata?.labels) ? [] : [mismatch(template, path)];
}

/** What does not select its own pods. */
export function mismatch({ metadata }: PodTemplateSpec, path = "spec.template"): FieldError {
  const detail = "`selector` does not match template `labels`";
  return invalid(`${path}.metadata.labels`, metadata?.labels ?? null, detail);
}

/** Counts of a status, none of which may be more than all replicas. */
export function validateCounts(status: Readonly<Record<string, unknown>>, fields: readonly string[]): FieldError[] {
  const count = (field: string) => typeof status[field] === "number" ? status[field] : 0;
  const errors: FieldError[] = [];
  for (
    const field of [
      "observedGeneration",
      "replicas",
      ...fields,
      "terminatingReplicas",
      "unavailableReplicas",
      "collisionCount",
    ]
  ) {
    errors.push(...validateNonnegative(count(field), `status.${field}`));
  }
  for (const field of fields) {
    if (count(field) <= count("replicas")) continue;
    errors.push(invalid(`status.${field}`, count(field), "cannot be greater than status.replicas"));
  }
  if (count("availableReplicas") > count("readyReplicas")) {
    errors.push(
      invalid("status.availableReplicas", count("availableReplicas"), "cannot be greater than readyReplicas"),
    );
  }
  return errors;
}

type Scaled = ApiObject & { spec?: WorkloadSpec; status?: { replicas?: number } };

export function scaleRules<T extends Scaled>(): ScaleRules<T> {
  return {
    read: ({ spec, status }) => ({
      replicas: spec?.replicas ?? 0,
      statusReplicas: status?.replicas ?? 0,
      selector: spec?.selector === undefined ? "" : formatLabelSelector(spec.selector),
    }),
    write(object, replicas) {
      (object.spec ??= {}).replicas = replicas;
    },
  };
}

/** A selector in one cell; `broken` where it cannot be read. */
export function selectorCell(selector: LabelSelectorData | undefined, broken: string): string {
  try {
    return formatLabelSelector(selector ?? {});
  } catch (error) {
    if (error instanceof SelectorError) return broken;
    throw error;
  }
}

/** What {@link containerCells} fills. */
export const CONTAINER_COLUMNS: readonly Column[] = [
  column("Containers", "Names of the template's containers.", { wide: true }),
  column("Images", "Images of the template's containers.", { wide: true }),
];

/** Names and images of a template's containers, each in one cell. */
export function containerCells(template: PodTemplateSpec | undefined): [string, string] {
  const containers = template?.spec?.containers ?? [];
  return [containers.map(({ name }) => name).join(","), containers.map(({ image }) => image ?? "").join(",")];
}
