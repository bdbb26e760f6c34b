/** Which fields differ between two states of an object. */
import { equalJson, isJsonObject, type Json, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { FieldSet, type PathElement } from "./field_set.ts";
import { fieldElement } from "./path_element.ts";
import { formOf, isAtomic, itemElement, memberOf, type Place, placeOf } from "./schema.ts";

export interface Comparison {
  added: FieldSet;
  modified: FieldSet;
  removed: FieldSet;
}

export function compareObjects(before: JsonObject, after: JsonObject, type: TypeView): Comparison {
  const comparison = { added: new FieldSet(), modified: new FieldSet(), removed: new FieldSet() };
  compare(placeOf(type), before, after, [], comparison);
  return comparison;
}

/** Undefined stands for what is not there; null is there. */
function compare(
  place: Place,
  before: Json | undefined,
  after: Json | undefined,
  path: PathElement[],
  to: Comparison,
): void {
  const form = formOf(place, after ?? before);
  const changesForm = place.kind === "unknown" && before !== undefined && after !== undefined &&
    formOf(place, before) !== formOf(place, after);
  const isLeaf = form === "leaf" || changesForm || isAtomic(place) || (place.kind === "unknown" && form === "list") ||
    (isVoid(before) && isVoid(after));
  if (!isLeaf) {
    if (form === "object") compareMembers(place, asObject(before), asObject(after), path, to);
    else if (place.kind === "list") compareItems(place, asList(before), asList(after), path, to);
  }
  if (before === undefined) to.added.insert(path);
  else if (after === undefined) to.removed.insert(path);
  else if (isLeaf && !equalJson(before, after)) to.modified.insert(path);
}

function compareMembers(
  place: Place,
  before: JsonObject,
  after: JsonObject,
  path: PathElement[],
  to: Comparison,
): void {
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const left = Object.hasOwn(before, name) ? before[name] : undefined;
    const right = Object.hasOwn(after, name) ? after[name] : undefined;
    compare(memberOf(place, name).place, left, right, [...path, fieldElement(name)], to);
  }
}

function compareItems(
  place: Place & { kind: "list" },
  before: Json[],
  after: Json[],
  path: PathElement[],
  to: Comparison,
): void {
  const left = Map.groupBy(before, (item) => itemElement(place, item));
  const right = Map.groupBy(after, (item) => itemElement(place, item));
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    const old = left.get(element) ?? [];
    const next = right.get(element) ?? [];
    const inner = [...path, element];
    if (old.length <= 1 && next.length <= 1) compare(place.item, old[0], next[0], inner, to);
    else if (old.length > 1 && next.length > 1) {
      if (!equalJson(old, next)) to.modified.insert(inner);
    } else if (old.length > 1) {
      if (next.length === 1) compare(place.item, undefined, next[0], inner, to);
      to.removed.insert(inner);
    } else {
      if (old.length === 1) compare(place.item, old[0], undefined, inner, to);
      to.added.insert(inner);
    }
  }
}

function isVoid(value: Json | undefined): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

function asObject(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function asList(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}
