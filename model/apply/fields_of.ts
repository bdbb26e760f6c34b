/** The set of fields that an object holds: what applying it would own. */
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { FieldSet, type PathElement } from "./field_set.ts";
import { fieldElement } from "./path_element.ts";
import { formOf, isAtomic, itemElement, memberOf, type Place, placeOf } from "./schema.ts";

export function fieldsOf(object: JsonObject, type: TypeView): FieldSet {
  const set = new FieldSet();
  collect(placeOf(type), object, [], set);
  return set;
}

function collect(place: Place, value: Json, path: PathElement[], set: FieldSet): void {
  const form = formOf(place, value);
  if (form === "leaf" || isAtomic(place) || (place.kind === "unknown" && form === "list")) return set.insert(path);
  if (form === "object" && isJsonObject(value)) collectMembers(place, value, path, set);
  if (place.kind === "list" && Array.isArray(value)) collectItems(place, value, path, set);
}

function collectMembers(place: Place, object: JsonObject, path: PathElement[], set: FieldSet): void {
  for (const [name, value] of Object.entries(object)) {
    const member = memberOf(place, name);
    const inner = [...path, fieldElement(name)];
    collect(member.place, value, inner, set);
    const empty = value === null || (isJsonObject(value) && Object.keys(value).length === 0);
    if (empty || !member.declared) set.insert(inner);
  }
}

function collectItems(place: Place & { kind: "list" }, list: Json[], path: PathElement[], set: FieldSet): void {
  const byElement = Map.groupBy(list, (item) => itemElement(place, item));
  for (const [element, items] of byElement) {
    const inner = [...path, element];
    // Items of one name cannot be told apart: they are owned together, without their fields.
    if (items.length === 1) collect(place.item, items[0]!, inner, set);
    set.insert(inner);
  }
}
