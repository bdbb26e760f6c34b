import { ageOf } from "../time.ts";
import type { Deployment } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, forbidden, invalid, notSupported, required } from "./field_error.ts";
import { immutable } from "./metadata.ts";
import { amountOf, refuseOverWhole, validateNonnegative, validateNumberOrPercent } from "./values.ts";
import {
  CONTAINER_COLUMNS,
  containerCells,
  defaultWorkload,
  scaleRules,
  selectorCell,
  validateCounts,
  validateWorkload,
  type WorkloadSpec,
} from "./workload.ts";

type Spec = NonNullable<Deployment["spec"]>;

export const deployment = defineKind<Deployment>({
  resource: "deployments.apps",
  type: "apps/v1.Deployment",
  namespaced: true,
  hasStatus: true,
  bumpsGeneration: true,
  // Annotations of a Deployment are carried to its ReplicaSets, so its controller must see them move.
  generationOf: ({ spec, metadata }) => ({ spec, annotations: metadata.annotations }),
  defaults(object) {
    object.spec ??= {} as Spec;
    object.status ??= {};
    const { spec } = object;
    defaultWorkload(spec as WorkloadSpec);
    const strategy = spec.strategy ??= {};
    strategy.type ||= "RollingUpdate";
    if (strategy.type === "RollingUpdate") {
      strategy.rollingUpdate = { maxUnavailable: "25%", maxSurge: "25%", ...strategy.rollingUpdate };
    }
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
  },
  prepareForUpdate(next, old, subresource) {
    if (subresource !== "status") return;
    if (old.metadata.labels === undefined) delete next.metadata.labels;
    else next.metadata.labels = old.metadata.labels;
  },
  validate(object) {
    const spec = object.spec ?? {} as Spec;
    const errors = [
      ...validateWorkload(spec as WorkloadSpec),
      ...validateStrategy(spec.strategy ?? {}),
      ...validateNonnegative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit"),
      ...validateNonnegative(spec.progressDeadlineSeconds, "spec.progressDeadlineSeconds"),
    ];
    const deadline = spec.progressDeadlineSeconds;
    if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
      errors.push(invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds"));
    }
    return errors;
  },
  validateChange: (next, old) => immutable("spec.selector", next.spec?.selector, old.spec?.selector),
  validateStatus({ status }, old) {
    const errors = validateCounts({ ...status }, ["updatedReplicas", "readyReplicas", "availableReplicas"]);
    const collisions = status?.collisionCount ?? 0;
    if (collisions < (old.status?.collisionCount ?? 0)) {
      errors.push(invalid("status.collisionCount", collisions, "cannot be decremented"));
    }
    return errors;
  },
  columns: [
    NAME_COLUMN,
    column("Ready", "How many of the wanted pods are ready."),
    column("Up-to-date", "How many pods are of the newest template."),
    column("Available", "How many pods have been ready for long enough."),
    AGE_COLUMN,
    ...CONTAINER_COLUMNS,
    column("Selector", "Which pods it counts.", { wide: true }),
  ],
  row: ({ metadata, spec, status }, now) => [
    metadata.name,
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
    ageOf(metadata.creationTimestamp, now),
    ...containerCells(spec?.template),
    selectorCell(spec?.selector, "<invalid>"),
  ],
  resetFields: { "": { "f:status": {} }, status: { "f:spec": {}, "f:metadata": { "f:labels": {} } } },
  scale: scaleRules<Deployment>(),
});

function validateStrategy({ type, rollingUpdate }: NonNullable<Spec["strategy"]>): FieldError[] {
  const path = "spec.strategy";
  const at = `${path}.rollingUpdate`;
  if (type === "Recreate") {
    const detail = "may not be specified when strategy `type` is 'Recreate'";
    return rollingUpdate === undefined ? [] : [forbidden(at, detail)];
  }
  if (type !== "RollingUpdate") return [notSupported(path, { type }, ["Recreate", "RollingUpdate"])];
  if (rollingUpdate === undefined) return [required(at, "this should be defaulted and never be nil")];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const errors = [
    ...validateNumberOrPercent(maxUnavailable, `${at}.maxUnavailable`),
    ...validateNumberOrPercent(maxSurge, `${at}.maxSurge`),
  ];
  if (amountOf(maxUnavailable) === 0 && amountOf(maxSurge) === 0) {
    errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0"));
  }
  return [...errors, ...refuseOverWhole(maxUnavailable, `${at}.maxUnavailable`)];
}
