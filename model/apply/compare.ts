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
  compare(placeOf(type), before, after, new Cursor(undefined, "", comparison));
  return comparison;
}

/** Where the walk is. Sets are made on the way down only where something is found. */
class Cursor {
  readonly #sets: Partial<Comparison>;

  constructor(readonly parent: Cursor | undefined, readonly element: PathElement, sets: Partial<Comparison> = {}) {
    this.#sets = sets;
  }

  /** The whole object is nobody's, so that nothing is told of it. */
  tell(change: keyof Comparison): void {
    this.parent?.setOf(change).mark(this.element);
  }

  setOf(change: keyof Comparison): FieldSet {
    return this.#sets[change] ??= this.parent!.setOf(change).descend(this.element);
  }
}

/** Undefined stands for what is not there; null is there. */
function compare(place: Place, before: Json | undefined, after: Json | undefined, at: Cursor): void {
  const form = formOf(place, after ?? before);
  const changesForm = place.kind === "unknown" && before !== undefined && after !== undefined &&
    formOf(place, before) !== formOf(place, after);
  const isLeaf = form === "leaf" || changesForm || isAtomic(place) || (place.kind === "unknown" && form === "list") ||
    (isVoid(before) && isVoid(after));
  if (!isLeaf) {
    if (form === "object") compareMembers(place, asObject(before), asObject(after), at);
    else if (place.kind === "list") compareItems(place, asList(before), asList(after), at);
  }
  if (before === undefined) at.tell("added");
  else if (after === undefined) at.tell("removed");
  else if (isLeaf && !equalJson(before, after)) at.tell("modified");
}

function compareMembers(place: Place, before: JsonObject, after: JsonObject, at: Cursor): void {
  for (const name in before) {
    const next = Object.hasOwn(after, name) ? after[name] : undefined;
    compare(memberOf(place, name).place, before[name], next, new Cursor(at, fieldElement(name)));
  }
  for (const name in after) {
    if (Object.hasOwn(before, name)) continue;
    compare(memberOf(place, name).place, undefined, after[name], new Cursor(at, fieldElement(name)));
  }
}

function compareItems(place: Place & { kind: "list" }, before: Json[], after: Json[], at: Cursor): void {
  const left = Map.groupBy(before, (item) => itemElement(place, item));
  const right = Map.groupBy(after, (item) => itemElement(place, item));
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    const old = left.get(element) ?? [];
    const next = right.get(element) ?? [];
    const inner = new Cursor(at, element);
    if (old.length <= 1 && next.length <= 1) compare(place.item, old[0], next[0], inner);
    else if (old.length > 1 && next.length > 1) {
      if (!equalJson(old, next)) inner.tell("modified");
    } else if (old.length > 1) {
      if (next.length === 1) compare(place.item, undefined, next[0], inner);
      inner.tell("removed");
    } else {
      if (old.length === 1) compare(place.item, old[0], undefined, inner);
      inner.tell("added");
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
