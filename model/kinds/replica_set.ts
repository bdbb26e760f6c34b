import { ageOf } from "../time.ts";
import type { ReplicaSet } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { immutable } from "./metadata.ts";
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

export const replicaSet = defineKind<ReplicaSet>({
  resource: "replicasets.apps",
  type: "apps/v1.ReplicaSet",
  namespaced: true,
  hasStatus: true,
  bumpsGeneration: true,
  defaults(object) {
    object.spec ??= {} as NonNullable<ReplicaSet["spec"]>;
    object.status ??= { replicas: 0 };
    defaultWorkload(object.spec as WorkloadSpec);
  },
  prepareForCreate(object) {
    object.status = { replicas: 0 };
  },
  validate: ({ spec }) => validateWorkload((spec ?? {}) as WorkloadSpec),
  validateChange: (next, old) => immutable("spec.selector", next.spec?.selector, old.spec?.selector),
  validateStatus: ({ status }) =>
    validateCounts({ ...status }, ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"]),
  columns: [
    NAME_COLUMN,
    column("Desired", "How many pods are wanted.", { type: "integer" }),
    column("Current", "How many pods there are.", { type: "integer" }),
    column("Ready", "How many pods are ready.", { type: "integer" }),
    AGE_COLUMN,
    ...CONTAINER_COLUMNS,
    column("Selector", "Which pods it counts.", { wide: true }),
  ],
  row: ({ metadata, spec, status }, now) => [
    metadata.name,
    spec?.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    ageOf(metadata.creationTimestamp, now),
    ...containerCells(spec?.template),
    selectorCell(spec?.selector, "<error>") || "<none>",
  ],
  selectableFields: ({ status }) => ({ "status.replicas": String(status?.replicas ?? 0) }),
  scale: scaleRules<ReplicaSet>(),
});
