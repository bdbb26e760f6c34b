import { ageOf } from "../time.ts";
import type { DaemonSet } from "../types/mod.ts";
import { AGE_COLUMN, column, defineKind, NAME_COLUMN } from "./define.ts";
import { type FieldError, invalid, notSupported, required } from "./field_error.ts";
import { immutable } from "./metadata.ts";
import { equalSemantically, normalObject } from "./semantics.ts";
import { amountOf, refuseOverWhole, validateNonnegative, validateNumberOrPercent } from "./values.ts";
import {
  CONTAINER_COLUMNS,
  containerCells,
  defaultTemplate,
  selectorCell,
  validateServingPods,
  type WorkloadSpec,
} from "./workload.ts";

type Spec = DaemonSet["spec"];

const TYPE = "apps/v1.DaemonSet";
/** How often the template has changed; of old, and still on every pod (label `pod-template-generation`). */
export const TEMPLATE_GENERATION = "deprecated.daemonset.template.generation";

export const daemonSet = defineKind<DaemonSet>({
  resource: "daemonsets.apps",
  type: TYPE,
  namespaced: true,
  hasStatus: true,
  bumpsGeneration: true,
  defaults(object) {
    object.spec ??= {} as Spec;
    object.status ??= { ...NO_STATUS };
    const { spec } = object;
    defaultTemplate(spec);
    const strategy = spec.updateStrategy ??= {};
    strategy.type ||= "RollingUpdate";
    if (strategy.type === "RollingUpdate") {
      strategy.rollingUpdate = { maxUnavailable: 1, maxSurge: 0, ...strategy.rollingUpdate };
    }
    spec.revisionHistoryLimit ??= 10;
  },
  prepareForCreate(object) {
    object.status = { ...NO_STATUS };
    setTemplateGeneration(object, Math.max(1, templateGenerationOf(object)));
  },
  prepareForUpdate(next, old, subresource) {
    const before = templateGenerationOf(old);
    if (subresource === "status") return setTemplateGeneration(next, before);
    const isSame = equalSemantically(normalObject(next, TYPE).spec.template, normalObject(old, TYPE).spec.template);
    setTemplateGeneration(next, isSame ? before : before + 1);
  },
  validate: ({ spec }) => [
    ...validateServingPods(spec as WorkloadSpec, "daemonset", "DaemonSet"),
    ...validateNonnegative(spec.minReadySeconds, "spec.minReadySeconds"),
    ...validateStrategy(spec.updateStrategy ?? {}),
    ...validateNonnegative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit"),
  ],
  validateChange: (next, old) => immutable("spec.selector", next.spec.selector, old.spec.selector),
  validateStatus({ status }, old) {
    const errors = COUNTS.flatMap((name) => validateNonnegative(status?.[name], `status.${name}`));
    const collisions = status?.collisionCount ?? 0;
    const before = old.status?.collisionCount;
    if (before !== undefined && collisions < before) {
      errors.push(invalid("status.collisionCount", collisions, "cannot be decremented"));
    }
    return errors;
  },
  columns: [
    NAME_COLUMN,
    column("Desired", "How many nodes should run its pod.", { type: "integer" }),
    column("Current", "How many of these have one.", { type: "integer" }),
    column("Ready", "How many of these pods are ready.", { type: "integer" }),
    column("Up-to-date", "How many are of the newest template.", { type: "integer" }),
    column("Available", "How many have been ready for long enough.", { type: "integer" }),
    column("Node Selector", "Labels of the nodes that it wants."),
    AGE_COLUMN,
    ...CONTAINER_COLUMNS,
    column("Selector", "Which pods it counts.", { wide: true }),
  ],
  row: ({ metadata, spec, status }, now) => [
    metadata.name,
    status?.desiredNumberScheduled ?? 0,
    status?.currentNumberScheduled ?? 0,
    status?.numberReady ?? 0,
    status?.updatedNumberScheduled ?? 0,
    status?.numberAvailable ?? 0,
    labelsCell(spec.template.spec?.nodeSelector),
    ageOf(metadata.creationTimestamp, now),
    ...containerCells(spec.template),
    selectorCell(spec.selector, "<error>"),
  ],
});

const NO_STATUS = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
const COUNTS = [
  "currentNumberScheduled",
  "numberMisscheduled",
  "desiredNumberScheduled",
  "numberReady",
  "observedGeneration",
  "updatedNumberScheduled",
  "numberAvailable",
  "numberUnavailable",
  "collisionCount",
] as const;

function templateGenerationOf({ metadata }: DaemonSet): number {
  return Math.trunc(Number(metadata.annotations?.[TEMPLATE_GENERATION] ?? 0)) || 0;
}

function setTemplateGeneration({ metadata }: DaemonSet, generation: number): void {
  metadata.annotations = { ...metadata.annotations, [TEMPLATE_GENERATION]: String(generation) };
}

function validateStrategy({ type, rollingUpdate }: NonNullable<Spec["updateStrategy"]>): FieldError[] {
  const path = "spec.updateStrategy";
  if (type === "OnDelete") return [];
  if (type !== "RollingUpdate") return [notSupported(path, { type }, ["RollingUpdate", "OnDelete"])];
  const at = `${path}.rollingUpdate`;
  if (rollingUpdate === undefined) return [required(at)];
  const { maxUnavailable = 0, maxSurge = 0 } = rollingUpdate;
  const errors = [
    ...validateNumberOrPercent(maxUnavailable, `${at}.maxUnavailable`),
    ...validateNumberOrPercent(maxSurge, `${at}.maxSurge`),
    ...refuseOverWhole(maxUnavailable, `${at}.maxUnavailable`),
    ...refuseOverWhole(maxSurge, `${at}.maxSurge`),
  ];
  const takes = amountOf(maxUnavailable) !== 0;
  const adds = amountOf(maxSurge) !== 0;
  if (takes && adds) {
    errors.push(invalid(`${at}.maxSurge`, maxSurge, "may not be set when maxUnavailable is non-zero"));
  }
  if (!takes && !adds) errors.push(required(`${at}.maxUnavailable`, "cannot be 0 when maxSurge is 0"));
  return errors;
}

function labelsCell(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`).sort();
  return pairs.length === 0 ? "<none>" : pairs.join(",");
}
