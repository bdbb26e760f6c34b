import { ageOf } from "../time.ts";
import type { PodDisruptionBudget } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { duplicate, type FieldError, invalid, notSupported, required, tooLong } from "./field_error.ts";
import { validateLabelName, validateLabelSelector } from "./labels.ts";
import { refuseOverWhole, validateNonnegative, validateNumberOrPercent } from "./values.ts";

type Condition = NonNullable<NonNullable<PodDisruptionBudget["status"]>["conditions"]>[number];

const POLICIES = ["AlwaysAllow", "IfHealthyBudget"];
const STATUSES = ["False", "True", "Unknown"];
const REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?";
const REASON_WORDS = "a condition reason must start with alphabetic character, optionally followed by a string of " +
  "alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or " +
  `'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '${REASON}')`;
const REASON_LENGTH_MAX = 1024;
const MESSAGE_LENGTH_MAX = 32 * 1024;

export const podDisruptionBudget = defineKind<PodDisruptionBudget>({
  resource: "poddisruptionbudgets.policy",
  type: "policy/v1.PodDisruptionBudget",
  namespaced: true,
  hasStatus: true,
  bumpsGeneration: true,
  allowsUnconditionalUpdate: false,
  defaults(object) {
    object.spec ??= {};
    object.status ??= { ...NO_STATUS };
  },
  prepareForCreate(object) {
    object.status = { ...NO_STATUS };
  },
  validate({ spec }) {
    const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy: policy } = spec;
    const errors: FieldError[] = [];
    if (minAvailable !== undefined && maxUnavailable !== undefined) {
      errors.push(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
    }
    for (const [name, value] of Object.entries({ minAvailable, maxUnavailable })) {
      if (value === undefined) continue;
      errors.push(...validateNumberOrPercent(value, `spec.${name}`), ...refuseOverWhole(value, `spec.${name}`));
    }
    errors.push(...validateLabelSelector(selector, "spec.selector"));
    if (policy !== undefined && !POLICIES.includes(policy)) {
      errors.push(notSupported("spec.unhealthyPodEvictionPolicy", policy, POLICIES));
    }
    return errors;
  },
  validateStatus({ status }) {
    const counts = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] as const;
    return [
      ...validateConditions(status?.conditions ?? [], "status.conditions"),
      ...counts.flatMap((name) => validateNonnegative(status?.[name], `status.${name}`)),
    ];
  },
  columns: [
    NAME_COLUMN,
    column("Min Available", "How many pods must stay available."),
    column("Max Unavailable", "How many pods may be unavailable."),
    column("Allowed Disruptions", "How many pods may be evicted now.", { type: "integer" }),
    AGE_COLUMN,
  ],
  row: ({ metadata, spec, status }, now) => [
    metadata.name,
    String(spec.minAvailable ?? "N/A"),
    String(spec.maxUnavailable ?? "N/A"),
    status?.disruptionsAllowed ?? 0,
    ageOf(metadata.creationTimestamp, now),
  ],
});

const NO_STATUS = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };

/** Conditions as meta/v1 has them. */
function validateConditions(conditions: readonly Condition[], path: string): FieldError[] {
  const seen = new Set<string>();
  return conditions.flatMap((condition, index) => {
    const at = `${path}[${index}]`;
    const { type, status, observedGeneration = 0, lastTransitionTime, reason = "", message = "" } = condition;
    const errors = seen.has(type) ? [duplicate(`${at}.type`, type)] : [];
    seen.add(type);
    errors.push(...validateLabelName(type ?? "", `${at}.type`));
    if (!STATUSES.includes(status)) errors.push(notSupported(`${at}.status`, status ?? "", STATUSES));
    if (observedGeneration < 0) {
      errors.push(invalid(`${at}.observedGeneration`, observedGeneration, "must be greater than or equal to zero"));
    }
    if (!lastTransitionTime) errors.push(required(`${at}.lastTransitionTime`));
    if (reason === "") errors.push(required(`${at}.reason`));
    else if (!new RegExp(`^${REASON}$`).test(reason)) errors.push(invalid(`${at}.reason`, reason, REASON_WORDS));
    if (reason.length > REASON_LENGTH_MAX) errors.push(tooLong(`${at}.reason`, REASON_LENGTH_MAX));
    if (message.length > MESSAGE_LENGTH_MAX) errors.push(tooLong(`${at}.message`, MESSAGE_LENGTH_MAX));
    return errors;
  });
}
