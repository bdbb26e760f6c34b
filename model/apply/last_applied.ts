/** The annotation in which client-side apply keeps what it applied, and what server-side apply makes of it. */
import { isJsonObject, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { compareStates } from "./claims.ts";
import type { FieldSet } from "./field_set.ts";
import { fieldsOf } from "./fields_of.ts";

export const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** Most bytes of all annotations together; an annotation that would exceed it is dropped. */
const ANNOTATIONS_BYTES_MAX = 256 * 1024;

/**
 * Fields that client-side apply set and that are still as it set them: kubectl may take them over without a conflict.
 * @param live in normal form
 * Undefined where the object was not applied that way, or by another version.
 */
export function fieldsFromLastApplied(live: JsonObject, apiVersion: string, type: TypeView): FieldSet | undefined {
  const metadata = live["metadata"];
  const annotations = isJsonObject(metadata) ? metadata["annotations"] : undefined;
  const text = isJsonObject(annotations) ? annotations[LAST_APPLIED] : undefined;
  if (typeof text !== "string" || text === "") return undefined;
  const last = parse(text);
  if (last === undefined || last["apiVersion"] !== apiVersion) return undefined;
  try {
    const { added, modified, removed } = compareStates(last, live, type, undefined);
    return fieldsOf(last, type).difference(modified).difference(added).difference(removed);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** What the annotation says after an apply; undefined where it would be too large. */
export function lastAppliedText(applied: JsonObject): string | undefined {
  const metadata = isJsonObject(applied["metadata"]) ? { ...applied["metadata"] } : {};
  if (isJsonObject(metadata["annotations"])) {
    const { [LAST_APPLIED]: _, ...annotations } = metadata["annotations"];
    metadata["annotations"] = annotations;
  }
  const text = `${JSON.stringify({ ...applied, metadata })}\n`;
  return new TextEncoder().encode(text).length > ANNOTATIONS_BYTES_MAX ? undefined : text;
}

function parse(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
