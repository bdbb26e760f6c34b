/** Merging what is applied into what is there: the applied side wins, map lists and sets merge by item. */
import { getOwn, isJsonObject, type Json, type JsonObject, setOwn } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import type { PathElement } from "./field_set.ts";
import { formOf, isAtomic, itemElement, memberOf, type Place, placeOf } from "./schema.ts";

/** Shares structure with both arguments and changes neither. */
export function mergeObjects(live: JsonObject, applied: JsonObject, type: TypeView): JsonObject {
  return merge(placeOf(type), live, applied) as JsonObject;
}

function merge(place: Place, live: Json | undefined, applied: Json | undefined): Json {
  if (applied === undefined) return live!;
  if (live === undefined || isAtomic(place)) return applied;
  if (isJsonObject(live) && isJsonObject(applied) && formOf(place, applied) === "object") {
    const merged: JsonObject = { ...live };
    for (const [name, value] of Object.entries(applied)) {
      setOwn(merged, name, merge(memberOf(place, name).place, getOwn(live, name), value));
    }
    return merged;
  }
  if (place.kind === "list" && Array.isArray(live) && Array.isArray(applied)) return mergeItems(place, live, applied);
  // Null or empty on the applied side leaves the members that are there.
  if (formOf(place, applied) !== "leaf" && applied === null && !isVoid(live)) return live;
  return applied;
}

/**
 * Items in both follow the applied order; items only in live keep their place between them as far as that allows.
 * Items of which live has several of one name cannot be merged: the applied one takes their place.
 */
function mergeItems(place: Place & { kind: "list" }, live: Json[], applied: Json[]): Json[] {
  const left = live.map((item) => ({ item, element: itemElement(place, item) }));
  const right = applied.map((item) => ({ item, element: itemElement(place, item) }));
  const liveItems = Map.groupBy(left, ({ element }) => element);
  const appliedNames = new Set(right.map(({ element }) => element));
  const shared = right.filter(({ element }) => liveItems.has(element)).map(({ element }) => element);
  const merged: Json[] = [];
  const done = new Set<PathElement>();
  const take = (index: number) => {
    const { item, element } = right[index]!;
    const old = liveItems.get(element);
    merged.push(merge(place.item, old?.length === 1 ? old[0]!.item : undefined, item));
    done.add(element);
    if (shared[0] === element) shared.shift();
  };

  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    const mine = left[i];
    if (mine !== undefined && j < right.length) {
      if (mine.element === right[j]!.element) {
        take(j++);
        i++;
        continue;
      }
      // In both, but another is due first: it is taken when the applied order reaches it.
      if (appliedNames.has(mine.element) && shared.length > 0 && shared[0] !== mine.element) {
        i++;
        continue;
      }
    }
    if (mine !== undefined) {
      if (!appliedNames.has(mine.element)) {
        merged.push(mine.item);
        i++;
        continue;
      }
      if (done.has(mine.element)) i++;
    }
    if (j < right.length) take(j++);
  }
  return merged;
}

function isVoid(value: Json): boolean {
  return value === null || (typeof value === "object" && Object.keys(value).length === 0);
}
