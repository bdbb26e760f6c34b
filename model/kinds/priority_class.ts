import { ageOf } from "../time.ts";
import type { PriorityClass } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, forbidden } from "./field_error.ts";
import { immutable } from "./metadata.ts";
import { validateOneOf } from "./values.ts";

/** The classes that every cluster has, above all that users may make. */
export const SYSTEM_PRIORITIES: Readonly<Record<string, number>> = {
  "system-cluster-critical": 2_000_000_000,
  "system-node-critical": 2_000_001_000,
};
const SYSTEM_PREFIX = "system-";
const USER_VALUE_MAX = 1_000_000_000;

export const priorityClass = defineKind<PriorityClass>({
  resource: "priorityclasses.scheduling.k8s.io",
  type: "scheduling.k8s.io/v1.PriorityClass",
  namespaced: false,
  allowsCreateOnUpdate: true,
  bumpsGeneration: true,
  // It is 1 for ever, whatever changes.
  generationOf: () => 1,
  defaults: (object) => void (object.preemptionPolicy ??= "PreemptLowerPriority"),
  validate: ({ metadata, value = 0, globalDefault = false, preemptionPolicy = "" }) => [
    ...validateRank(metadata.name, value, globalDefault),
    ...validateOneOf(preemptionPolicy, ["Never", "PreemptLowerPriority"], "preemptionPolicy"),
  ],
  validateChange: (next, old) => [
    ...next.value === old.value ? [] : [forbidden("value", "may not be changed in an update.")],
    ...immutable("preemptionPolicy", next.preemptionPolicy, old.preemptionPolicy),
  ],
  columns: [
    NAME_COLUMN,
    column("Value", "The priority that its pods have.", { type: "integer" }),
    column("Global-Default", "Whether pods that name no class have it.", { type: "boolean" }),
    AGE_COLUMN,
    column("PreemptionPolicy", "Whether its pods may put out others."),
  ],
  row: ({ metadata, value = 0, globalDefault = false, preemptionPolicy = "" }, now) => [
    metadata.name,
    value,
    globalDefault,
    ageOf(metadata.creationTimestamp, now),
    preemptionPolicy,
  ],
});

function validateRank(name: string, value: number, globalDefault: boolean): FieldError[] {
  if (name.startsWith(SYSTEM_PREFIX)) {
    const wrong = systemProblem(name, value, globalDefault);
    const reserved = `priority class names with '${SYSTEM_PREFIX}' prefix are reserved for system use only`;
    return wrong === undefined ? [] : [forbidden("metadata.name", `${reserved}. error: ${wrong}`)];
  }
  if (value <= USER_VALUE_MAX) return [];
  return [forbidden("value", `maximum allowed value of a user defined priority is ${USER_VALUE_MAX}`)];
}

function systemProblem(name: string, value: number, globalDefault: boolean): string | undefined {
  const wanted = SYSTEM_PRIORITIES[name];
  if (wanted === undefined) return `${name} is not a known system priority class`;
  if (value !== wanted) return `value of ${name} PriorityClass must be ${wanted}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}
