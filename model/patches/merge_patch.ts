/** JSON Merge Patch (RFC 7386). */
import { cloneJson, getOwn, isJsonObject, type Json, type JsonObject, setOwn } from "../json.ts";

/** Members of the patch replace the document's, null removes, objects merge, everything else is replaced whole. */
export function mergePatch(document: Json, patch: Json): Json {
  if (!isJsonObject(patch)) return cloneJson(patch);
  const merged: JsonObject = isJsonObject(document) ? { ...document } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else setOwn(merged, name, mergePatch(getOwn(merged, name) ?? null, value));
  }
  return cloneJson(merged);
}
