/** Events of the core group, and of `events.k8s.io`, which are the same objects in another form. */
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { dnsSubdomainProblems } from "../names.ts";
import { ageOf } from "../time.ts";
import type { coreV1, eventsV1 } from "../types/mod.ts";
import { column, defineKind } from "./define.ts";
import { type FieldError, invalid, required } from "./field_error.ts";
import type { Column } from "./kind.ts";
import { immutable } from "./metadata.ts";
import { equalSemantically } from "./semantics.ts";
import { validateQualifiedName } from "./values.ts";

const INSTANCE_LENGTH_MAX = 128;
const ACTION_LENGTH_MAX = 128;
const REASON_LENGTH_MAX = 128;
const NOTE_BYTES_MAX = 1024;

/** What core calls differently. */
const CORE_NAMES: Record<string, string> = {
  regarding: "involvedObject",
  note: "message",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
  reportingController: "reportingComponent",
};
const EVENTS_NAMES = Object.fromEntries(Object.entries(CORE_NAMES).map(([events, core]) => [core, events]));

const COLUMNS: readonly Column[] = [
  column("Last Seen", "When it last happened."),
  column("Type", "Whether it is normal or a warning."),
  column("Reason", "Why, in one word."),
  column("Object", "What it is about."),
  column("Subobject", "Which part of that.", { wide: true }),
  column("Source", "Who reported it.", { wide: true }),
  column("Message", "What happened."),
  column("First Seen", "When it first happened.", { wide: true }),
  column("Count", "How often it happened.", { wide: true }),
  { ...column("Name", "The object's name, unique in its namespace.", { wide: true }), format: "name" },
];

export const event = defineKind<coreV1.Event>({
  resource: "events",
  type: "v1.Event",
  namespaced: true,
  allowsCreateOnUpdate: true,
  validate: (object) => validateEvent(object, "reportingComponent"),
  columns: COLUMNS,
  row: (object, now) => {
    const { series, involvedObject: about, source } = object;
    const first = object.firstTimestamp ? ageOf(object.firstTimestamp, now) : ageOf(object.eventTime, now);
    const last = series
      ? ageOf(series.lastObservedTime, now)
      : object.lastTimestamp
      ? ageOf(object.lastTimestamp, now)
      : first;
    const kind = (about?.kind ?? "").toLowerCase();
    const parts = [source?.component || object.reportingComponent, source?.host || object.reportingInstance];
    return [
      last,
      object.type ?? "",
      object.reason ?? "",
      about?.name ? `${kind}/${about.name}` : kind,
      about?.fieldPath ?? "",
      parts.filter((part) => part).join(", "),
      (object.message ?? "").trim(),
      first,
      series?.count ?? (object.count || 1),
      object.metadata.name,
    ];
  },
  selectableFields: (object) => {
    const { involvedObject: about, source } = object;
    return {
      "involvedObject.kind": about?.kind ?? "",
      "involvedObject.namespace": about?.namespace ?? "",
      "involvedObject.name": about?.name ?? "",
      "involvedObject.uid": about?.uid ?? "",
      "involvedObject.apiVersion": about?.apiVersion ?? "",
      "involvedObject.resourceVersion": about?.resourceVersion ?? "",
      "involvedObject.fieldPath": about?.fieldPath ?? "",
      reason: object.reason ?? "",
      reportingComponent: object.reportingComponent ?? "",
      source: source?.component || object.reportingComponent || "",
      type: object.type ?? "",
    };
  },
  convert: convertEvent,
});

/** As `events.k8s.io/v1` writes them, by whose stricter rules they are judged. */
export const eventsEvent = defineKind<eventsV1.Event>({
  resource: "events.events.k8s.io",
  type: "events.k8s.io/v1.Event",
  namespaced: true,
  allowsCreateOnUpdate: true,
  validate(object, old) {
    const core = toCore(object);
    const errors = validateEvent(core, "reportingController");
    if (old !== undefined) return errors;
    errors.push(...validateSeries(core));
    if (!core.eventTime) errors.push(required("eventTime"));
    if (core.type !== "Normal" && core.type !== "Warning") {
      errors.push(invalid("type", "", `has invalid value: ${core.type ?? ""}`));
    }
    for (const field of ["firstTimestamp", "lastTimestamp", "count", "source"] as const) {
      const value = core[field];
      const given = typeof value === "object" ? Object.keys(value).length > 0 : Boolean(value);
      if (given) errors.push(invalid(field, "", "needs to be unset"));
    }
    return errors;
  },
  validateChange(next, old) {
    const to = toCore(next);
    const from = toCore(old);
    const fields = [
      "involvedObject",
      "reason",
      "message",
      "source",
      "firstTimestamp",
      "lastTimestamp",
      "count",
      "type",
      "eventTime",
      "action",
      "related",
      "reportingInstance",
    ] as const;
    return [
      ...equalSemantically(to.series, from.series) ? [] : validateSeries(to),
      ...fields.flatMap((field) => immutable(field, to[field], from[field])),
      ...immutable("reportingController", to.reportingComponent, from.reportingComponent),
    ];
  },
  columns: COLUMNS,
  row: (object, now) => event.row(toCore(object), now),
  selectableFields: (object) => event.selectableFields(toCore(object)),
  convert: convertEvent,
});

/** Between `v1` and `events.k8s.io/v1`. */
function convertEvent(object: JsonObject, from: string, to: string): JsonObject {
  if (from === to) return object;
  const names = to === "v1" ? CORE_NAMES : EVENTS_NAMES;
  const converted: JsonObject = {};
  for (const [name, value] of Object.entries(object)) converted[names[name] ?? name] = value;
  converted["apiVersion"] = to;
  return converted;
}

function toCore(object: eventsV1.Event): coreV1.Event {
  const core: Record<string, Json> = {};
  for (const [name, value] of Object.entries(object)) core[CORE_NAMES[name] ?? name] = value as Json;
  if (!isJsonObject(core["involvedObject"])) core["involvedObject"] = {};
  return core as unknown as coreV1.Event;
}

/** @param controller what the form of the object calls its reporter */
function validateEvent(object: coreV1.Event, controller: string): FieldError[] {
  const namespace = object.metadata.namespace ?? "";
  const about = object.involvedObject?.namespace ?? "";
  const errors: FieldError[] = [];
  const mismatch = () => errors.push(invalid("involvedObject.namespace", about, "does not match event.namespace"));
  if (!object.eventTime) {
    if (about === "" ? namespace !== "" && namespace !== "default" : about !== namespace) mismatch();
  } else {
    if (about === "" && namespace !== "default" && namespace !== "kube-system") mismatch();
    const reporter = object.reportingComponent ?? "";
    if (reporter === "") errors.push(required(controller));
    errors.push(...validateQualifiedName(reporter, controller));
    for (
      const [field, max, needed] of [
        ["reportingInstance", INSTANCE_LENGTH_MAX, true],
        ["action", ACTION_LENGTH_MAX, true],
        ["reason", REASON_LENGTH_MAX, true],
        ["message", NOTE_BYTES_MAX, false],
      ] as const
    ) {
      const value = object[field] ?? "";
      if (needed && value === "") errors.push(required(field));
      if (new TextEncoder().encode(value).length > max) {
        errors.push(invalid(field, "", `can have at most ${max} characters`));
      }
    }
  }
  for (const problem of dnsSubdomainProblems(namespace)) errors.push(invalid("namespace", namespace, problem));
  return errors;
}

function validateSeries({ series }: coreV1.Event): FieldError[] {
  if (series === undefined) return [];
  const errors: FieldError[] = [];
  if ((series.count ?? 0) < 2) errors.push(invalid("series.count", "", "should be at least 2"));
  if (!series.lastObservedTime) errors.push(required("series.lastObservedTime"));
  return errors;
}
