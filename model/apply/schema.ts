/** How a place in an object is walked: what facts say of it, or what its own value suggests where they are silent. */
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import type { FieldView, TypeView } from "../facts_interface.ts";
import { keyElement, valueElement } from "./path_element.ts";
import type { PathElement } from "./field_set.ts";

/** A place: a struct, a map of values, a list of items, or nothing known (then the value's own shape decides). */
export type Place =
  | { kind: "struct"; atomic: boolean; type: TypeView }
  | { kind: "map"; atomic: boolean; item: Place }
  | { kind: "list"; atomic: boolean; keys: readonly string[]; field: FieldView; item: Place }
  | { kind: "scalar" }
  | { kind: "unknown" };

const UNKNOWN: Place = { kind: "unknown" };
const SCALAR: Place = { kind: "scalar" };

/** Places are made once a type and once a field: walking asks for them at every step. */
const places = new WeakMap<TypeView | FieldView, Place>();

export function placeOf(type: TypeView): Place {
  let place = places.get(type);
  if (place === undefined) places.set(type, place = { kind: "struct", atomic: type.atomic ?? false, type });
  return place;
}

function placeOfField(field: FieldView): Place {
  let place = places.get(field);
  if (place === undefined) places.set(field, place = makePlace(field));
  return place;
}

function makePlace(field: FieldView): Place {
  if (field.opaque) return UNKNOWN;
  const item: Place = field.type === undefined ? SCALAR : placeOf(field.type);
  switch (field.shape) {
    case "one":
      if (field.type === undefined) return SCALAR;
      return { kind: "struct", atomic: (field.type.atomic ?? false) || (field.atomicMap ?? false), type: field.type };
    case "map":
      return { kind: "map", atomic: field.atomicMap ?? false, item };
    case "list":
      return { kind: "list", atomic: (field.list ?? "atomic") === "atomic", keys: field.keys ?? [], field, item };
  }
}

/** What a value is walked as: null and absent take the place's shape, an unknown place the value's. */
export type Form = "object" | "list" | "leaf";

export function formOf(place: Place, value: Json | undefined): Form {
  switch (place.kind) {
    case "struct":
    case "map":
      return "object";
    case "list":
      return "list";
    case "scalar":
      return "leaf";
    case "unknown":
      return isJsonObject(value) ? "object" : Array.isArray(value) ? "list" : "leaf";
  }
}

/** Whether the place is replaced as one. Lists of which nothing is known are. */
export function isAtomic(place: Place): boolean {
  if (place.kind === "unknown") return false;
  return place.kind !== "scalar" && place.atomic;
}

/** The place of a member, and whether it is a field that the type declares (else a key of a map). */
export function memberOf(place: Place, name: string): { place: Place; declared: boolean } {
  if (place.kind === "struct") {
    const field = place.type.field(name);
    return field === undefined ? { place: UNKNOWN, declared: false } : { place: placeOfField(field), declared: true };
  }
  return { place: place.kind === "map" ? place.item : UNKNOWN, declared: false };
}

/** What names an item of a set or of a map list. @throws {TypeError} where the item cannot be named */
export function itemElement(place: Place & { kind: "list" }, item: Json): PathElement {
  if (place.keys.length === 0) {
    if (item === null || typeof item === "object") {
      throw new TypeError("associative list without keys has an element that's not a scalar");
    }
    return valueElement(item);
  }
  if (!isJsonObject(item)) throw new TypeError("associative list with keys may not have non-map elements");
  const key: JsonObject = {};
  for (const name of place.keys) {
    const value = item[name] ?? place.field.keyDefaults?.[name];
    if (value !== undefined) key[name] = value;
  }
  if (Object.keys(key).length === 0) {
    throw new TypeError(
      `associative list with keys has an element that omits all key fields ${
        JSON.stringify(place.keys).replaceAll(",", " ")
      } (and doesn't have default values for any key fields)`,
    );
  }
  return keyElement(key);
}
