/** `metadata.managedFields` read, changed and written. */
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import { formatTime } from "../time.ts";
import { FieldSet } from "./field_set.ts";
import { fieldSetFromJson } from "./fields_v1.ts";

export interface ManagerKey {
  manager: string;
  operation: "Apply" | "Update";
  /** Part of an updater's identity; an applier is one whatever version it applies. */
  apiVersion: string;
  subresource: string;
}

export interface Manager extends ManagerKey {
  fields: FieldSet;
  /** RFC 3339; absent where the entry was written by an apply that changed nothing. */
  time?: string;
}

/** Entries by identity. A set that is handed out is not changed again. */
export type Managers = Map<string, Manager>;

/** Most entries of updates that are kept apart; older ones are merged. */
const UPDATERS_MAX = 10;
const ANCIENT = "ancient-changes";

export function managerId({ manager, operation, apiVersion, subresource }: ManagerKey): string {
  return JSON.stringify([operation, manager, subresource, operation === "Apply" ? "" : apiVersion]);
}

/** @throws {TypeError} where an entry is not valid */
export function readManagers(entries: unknown): Managers {
  const managers: Managers = new Map();
  for (const entry of Array.isArray(entries) ? entries as Json[] : []) {
    if (!isJsonObject(entry)) throw new TypeError("Cannot read managedFields as an entry must be an object");
    const { operation, apiVersion, fieldsType, time } = entry;
    if (operation !== "Apply" && operation !== "Update") throw new TypeError("operation must be `Apply` or `Update`");
    if (typeof apiVersion !== "string" || apiVersion === "") throw new TypeError("apiVersion must not be empty");
    if (fieldsType !== "FieldsV1") throw new TypeError(`invalid fieldsType ${JSON.stringify(fieldsType ?? "")}`);
    const key = {
      manager: text(entry["manager"]),
      operation,
      apiVersion,
      subresource: text(entry["subresource"]),
    } as const;
    const fields = fieldSetFromJson(entry["fieldsV1"]);
    managers.set(managerId(key), { ...key, fields, ...(typeof time === "string" && { time }) });
  }
  return managers;
}

/** As {@link readManagers}; what cannot be read counts as nothing. */
export function readManagersOrNone(entries: unknown): Managers {
  try {
    return readManagers(entries);
  } catch (error) {
    if (error instanceof TypeError) return new Map();
    throw error;
  }
}

/** Appliers first, then by time, manager, version and subresource. */
export function writeManagers(managers: Managers): JsonObject[] | undefined {
  if (managers.size === 0) return undefined;
  const seconds = ({ time }: Manager) => time === undefined ? 0 : Math.floor(Date.parse(time) / 1000);
  return [...managers.values()]
    .sort((a, b) =>
      compareText(a.operation, b.operation) || seconds(a) - seconds(b) || compareText(a.manager, b.manager) ||
      compareText(a.apiVersion, b.apiVersion) || compareText(a.subresource, b.subresource)
    )
    .map(({ manager, operation, apiVersion, time, fields, subresource }) => ({
      ...(manager !== "" && { manager }),
      operation,
      apiVersion,
      ...(time !== undefined && { time }),
      fieldsType: "FieldsV1",
      fieldsV1: fields.toJson(),
      ...(subresource !== "" && { subresource }),
    }));
}

/** Adds fields to a manager's entry and stamps it. */
export function own(managers: Managers, key: ManagerKey, fields: FieldSet, now: number): void {
  const id = managerId(key);
  const before = managers.get(id)?.fields;
  managers.set(id, { ...key, fields: before === undefined ? fields : before.union(fields), time: formatTime(now) });
}

/** Merges the oldest updaters of each version until few enough are left. */
export function capUpdaters(managers: Managers): void {
  const updaters = [...managers.entries()].filter(([, { operation }]) => operation === "Update");
  let excess = updaters.length - UPDATERS_MAX;
  if (excess <= 0) return;
  updaters.sort(([idA, a], [idB, b]) => compareText(a.time ?? "", b.time ?? "") || compareText(idA, idB));
  const firstOf = new Map<string, string>();
  for (const [id, updater] of updaters) {
    if (excess <= 0) return;
    const { apiVersion } = updater;
    const first = firstOf.get(apiVersion);
    if (first === undefined) {
      firstOf.set(apiVersion, id);
      continue;
    }
    const bucket = { manager: ANCIENT, operation: "Update", apiVersion, subresource: "" } as const;
    const bucketId = managerId(bucket);
    const before = managers.get(bucketId) ?? managers.get(first)!;
    if (!managers.has(bucketId)) managers.delete(first);
    managers.set(bucketId, { ...bucket, fields: before.fields.union(updater.fields), ...timeOf(updater) });
    if (id !== bucketId) managers.delete(id);
    excess--;
  }
}

function timeOf({ time }: Manager): { time?: string } {
  return time === undefined ? {} : { time };
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
