/** Field sets as `metadata.managedFields[].fieldsV1` carries them. */
import { isJsonObject, type JsonObject } from "../json.ts";
import { FieldSet } from "./field_set.ts";
import { keyElement } from "./path_element.ts";

export function fieldSetToJson(set: FieldSet): JsonObject {
  return set.toJson();
}

/** @throws {TypeError} where it is no fieldsV1 */
export function fieldSetFromJson(json: unknown): FieldSet {
  if (json === undefined || json === null) return new FieldSet();
  if (!isJsonObject(json)) throw new TypeError("Cannot read fieldsV1 as it must be an object");
  return FieldSet.fromJson(canonicalKeys(json));
}

/** Keys of list items with their members in order, so that one item has one name whoever wrote it. */
function canonicalKeys(json: JsonObject): JsonObject {
  const result: JsonObject = {};
  for (const [name, below] of Object.entries(json)) {
    const inner = isJsonObject(below) ? canonicalKeys(below) : below;
    result[name.startsWith("k:") ? canonicalKey(name) : name] = inner;
  }
  return result;
}

function canonicalKey(element: string): string {
  try {
    const key: unknown = JSON.parse(element.slice(2));
    return isJsonObject(key) ? keyElement(key) : element;
  } catch {
    throw new TypeError(`Cannot read fieldsV1 as ${JSON.stringify(element)} must hold a JSON object`);
  }
}
