/** Taking a set of fields out of an object. */
import { isJsonObject, type Json, type JsonObject, setOwn } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import type { FieldSet } from "./field_set.ts";
import { fieldElement } from "./path_element.ts";
import { formOf, isAtomic, itemElement, memberOf, type Place, placeOf } from "./schema.ts";

/** What loses its last part becomes null, which {@link dropNulls} takes away in the end: until then it still counts as there. */
export function removeFields(object: JsonObject, fields: FieldSet, type: TypeView): JsonObject {
  return (remove(placeOf(type), object, fields) ?? {}) as JsonObject;
}

function remove(place: Place, value: Json, fields: FieldSet): Json {
  const form = formOf(place, value);
  if (form === "leaf") return value;
  if (isAtomic(place) || (place.kind === "unknown" && form === "list")) return null;
  if (form === "object" && isJsonObject(value)) {
    const kept: JsonObject = {};
    for (const [name, member] of Object.entries(value)) {
      const element = fieldElement(name);
      if (fields.hasElement(element)) continue;
      const below = fields.below(element);
      const inner = below === undefined || below.isEmpty ? member : remove(memberOf(place, name).place, member, below);
      setOwn(kept, name, inner);
    }
    return Object.keys(kept).length > 0 ? kept : null;
  }
  if (place.kind === "list" && Array.isArray(value)) {
    const kept: Json[] = [];
    for (const item of value) {
      const element = itemElement(place, item);
      if (fields.hasElement(element)) continue;
      const below = fields.below(element);
      kept.push(below === undefined || below.isEmpty ? item : remove(place.item, item, below));
    }
    return kept.length > 0 ? kept : null;
  }
  return null;
}

/** The object without members that are null, which to the API is the same as not being there. */
export function dropNulls(value: JsonObject): JsonObject {
  return clean(value) as JsonObject;
}

function clean(value: Json): Json {
  if (Array.isArray(value)) return value.map(clean);
  if (!isJsonObject(value)) return value;
  const kept: JsonObject = {};
  for (const [name, member] of Object.entries(value)) if (member !== null) setOwn(kept, name, clean(member));
  return kept;
}
