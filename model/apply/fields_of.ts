/** The set of fields that an object holds: what applying it would own. */
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { FieldSet, type PathElement } from "./field_set.ts";
import { fieldElement } from "./path_element.ts";
import { formOf, isAtomic, itemElement, memberOf, type Place, placeOf } from "./schema.ts";

export function fieldsOf(object: JsonObject, type: TypeView): FieldSet {
  const set = new FieldSet();
  collectMembers(placeOf(type), object, set);
  return set;
}

function collect(place: Place, value: Json, parent: FieldSet, element: PathElement): void {
  const form = formOf(place, value);
  if (form === "leaf" || isAtomic(place) || (place.kind === "unknown" && form === "list")) return parent.mark(element);
  if (form === "object" && isJsonObject(value)) {
    if (Object.keys(value).length > 0) collectMembers(place, value, parent.descend(element));
  } else if (place.kind === "list" && Array.isArray(value) && value.length > 0) {
    collectItems(place, value, parent.descend(element));
  }
}

function collectMembers(place: Place, object: JsonObject, set: FieldSet): void {
  for (const [name, value] of Object.entries(object)) {
    const member = memberOf(place, name);
    const element = fieldElement(name);
    collect(member.place, value, set, element);
    const empty = value === null || (isJsonObject(value) && Object.keys(value).length === 0);
    if (empty || !member.declared) set.mark(element);
  }
}

function collectItems(place: Place & { kind: "list" }, list: Json[], set: FieldSet): void {
  for (const [element, items] of Map.groupBy(list, (item) => itemElement(place, item))) {
    // Items of one name cannot be told apart: they are owned together, without their fields.
    if (items.length === 1) collect(place.item, items[0]!, set, element);
    set.mark(element);
  }
}
