/**
 * Strategic merge patch: a merge patch whose lists merge by the keys that the type's facts name, with directives.
 *
 * Behaviour follows k8s.io/apimachinery `util/strategicpatch` (1.35). Directives: `$patch` (replace, delete, merge),
 * `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
 */
import { cloneJson, equalJson, getOwn, isJsonObject, type Json, type JsonObject, setOwn } from "../json.ts";
import { type FieldView, type TypeView, UNKNOWN_TYPE } from "../facts_interface.ts";
import { partition, restoreOrder, valueOf } from "./list_order.ts";
import { PatchError } from "./patch_error.ts";

const DIRECTIVE = "$patch";
const RETAIN_KEYS = "$retainKeys";
const DELETE_FROM = "$deleteFromPrimitiveList/";
const SET_ORDER = "$setElementOrder/";

/**
 * @param type facts of the document's type; {@link UNKNOWN_TYPE} merges objects and replaces lists
 * @throws {PatchError} where a directive is wrong or an item lacks its merge key
 */
export function strategicMergePatch(document: JsonObject, patch: JsonObject, type: TypeView): JsonObject {
  return mergeObject(cloneJson(document), cloneJson(patch), type);
}

/** Both arguments are the callee's to change. */
function mergeObject(original: JsonObject, patch: JsonObject, type: TypeView): JsonObject {
  const directive = getOwn(patch, DIRECTIVE);
  if (directive !== undefined) {
    delete patch[DIRECTIVE];
    if (directive === "replace") return patch;
    if (directive === "delete") return {};
    if (directive !== "merge") throw unknownDirective(directive);
  }
  retainKeys(original, patch);
  setElementOrder(original, patch, type);
  // Deletions first, so that what a patch both deletes and adds is there, in whatever order its members came.
  for (const [name, value] of Object.entries(patch)) {
    if (name.startsWith(DELETE_FROM)) deleteFromList(original, name.slice(DELETE_FROM.length), value);
  }
  for (const [name, value] of Object.entries(patch)) {
    if (!name.startsWith(DELETE_FROM)) mergeMember(original, name, value, type.field(name));
  }
  return original;
}

function mergeMember(original: JsonObject, name: string, value: Json, field: FieldView | undefined): void {
  if (value === null) {
    delete original[name];
    return;
  }
  const before = getOwn(original, name);
  const replaces = field?.patchStrategy?.includes("replace") ?? false;
  if (isJsonObject(before) && isJsonObject(value) && !replaces) {
    setOwn(original, name, mergeObject(before, value, nested(field)));
  } else if (Array.isArray(before) && Array.isArray(value) && merges(field)) {
    setOwn(original, name, mergeList(before, value, field!));
  } else {
    // What is taken as it is may still hold directives and nulls meant for something that is not there.
    const clean = withoutDirectives(value);
    if (clean === undefined) delete original[name];
    else setOwn(original, name, clean);
  }
}

function mergeList(original: Json[], patch: Json[], field: FieldView): Json[] {
  if (original.length === 0 && patch.length === 0) return original;
  const key = field.patchMergeKey;
  const items = [...original, ...patch];
  if (items.some(isJsonObject)) {
    if (key === undefined) {
      throw new PatchError("malformed", "Cannot merge a list of objects as its type has no merge key");
    }
    const objects = asObjects(patch, key);
    let merged = asObjects(original, key);
    const plain: JsonObject[] = [];
    let replace = false;
    for (const item of objects) {
      const directive = getOwn(item, DIRECTIVE);
      if (directive === undefined) plain.push(item);
      else if (directive === "replace") replace = true;
      else if (directive === "delete") {
        const wanted = keyOf(item, key);
        merged = merged.filter((candidate) => !equalJson(candidate[key], wanted));
      } else throw unknownDirective(directive);
    }
    if (replace) return plain.map((item) => withoutDirectives(item)!);
    const order = [...merged];
    merged = mergeItems(merged, plain, key, nested(field));
    return restoreOrder(partition(merged, plain, key), plain, order, key);
  }
  const merged: Json[] = [];
  for (const item of items) if (!merged.some((seen) => equalJson(seen, item))) merged.push(item);
  return restoreOrder(partition(merged, patch), patch, original);
}

function mergeItems(original: JsonObject[], patch: JsonObject[], key: string, type: TypeView): JsonObject[] {
  const merged = [...original];
  for (const item of patch) {
    const wanted = keyOf(item, key);
    const index = merged.findIndex((candidate) => equalJson(candidate[key], wanted));
    if (index >= 0) merged[index] = mergeObject(cloneJson(merged[index]!), item, type);
    else merged.push(withoutDirectives(item) as JsonObject);
  }
  return merged;
}

/** Clears members that the directive does not name, and refuses a patch that sets what it would clear. */
function retainKeys(original: JsonObject, patch: JsonObject): void {
  const retained = getOwn(patch, RETAIN_KEYS);
  if (retained === undefined) return;
  delete patch[RETAIN_KEYS];
  if (!Array.isArray(retained)) throw new PatchError("malformed", "invalid patch format of retainKeys");
  for (const [name, value] of Object.entries(patch)) {
    if (value === null || name.startsWith(DELETE_FROM) || name.startsWith(SET_ORDER)) continue;
    if (!retained.includes(name)) throw new PatchError("malformed", "invalid patch format of retainKeys");
  }
  for (const name of Object.keys(original)) if (!retained.includes(name)) delete original[name];
}

/** Merges each list whose order the patch gives, puts it in that order, and takes both members out of the patch. */
function setElementOrder(original: JsonObject, patch: JsonObject, type: TypeView): void {
  for (const [name, wanted] of Object.entries(patch)) {
    if (!name.startsWith(SET_ORDER)) continue;
    delete patch[name];
    const listName = name.slice(SET_ORDER.length);
    const before = getOwn(original, listName);
    const change = getOwn(patch, listName);
    const field = type.field(listName);
    const key = field?.patchMergeKey;
    if (!Array.isArray(wanted) || (before !== undefined && !Array.isArray(before)) || badList(change)) {
      throw new PatchError("malformed", "invalid patch format of setElementOrder list");
    }
    if (change === null) continue;
    const changes = (change ?? []) as Json[];
    refuseOtherOrder(changes, wanted, key);
    delete patch[listName];
    if (before === undefined && change === undefined) continue;
    const merged = before === undefined
      ? withoutDirectives(changes) as Json[]
      : changes.length === 0 || field === undefined
      ? before
      : mergeList(before, cloneJson(changes), field);
    setOwn(original, listName, restoreOrder(partition(merged, wanted, key), wanted, before ?? [], key));
  }
}

function badList(value: Json | undefined): boolean {
  return value !== undefined && value !== null && !Array.isArray(value);
}

/** The items of the patch's list must be among those of the order, in the same order. */
function refuseOtherOrder(changes: Json[], wanted: Json[], key: string | undefined): void {
  if (wanted.length === 0) return;
  let place = 0;
  for (const item of changes) {
    if (isJsonObject(item) && Object.hasOwn(item, DIRECTIVE)) continue;
    const value = valueOf(item, key);
    while (place < wanted.length && !equalJson(valueOf(wanted[place]!, key), value)) place++;
    if (place === wanted.length) {
      throw new PatchError(
        "malformed",
        `The order in patch list:\n${JSON.stringify(changes)}\n doesn't match $setElementOrder list:\n${
          JSON.stringify(wanted)
        }\n`,
      );
    }
    place++;
  }
}

function deleteFromList(original: JsonObject, name: string, values: Json): void {
  const list = getOwn(original, name);
  if (list === undefined) return;
  if (!Array.isArray(values)) throw new PatchError("malformed", "invalid patch format of primitive list");
  if (!Array.isArray(list)) return;
  setOwn(original, name, list.filter((item) => !values.some((value) => equalJson(value, item))));
}

/** A value of the patch without nulls and directives; undefined where it is itself a directive. */
function withoutDirectives(value: Json): Json | undefined {
  if (Array.isArray(value)) return value.map(withoutDirectives).filter((item) => item !== undefined);
  if (!isJsonObject(value)) return value;
  if (Object.hasOwn(value, DIRECTIVE)) return undefined;
  const clean: JsonObject = {};
  for (const [name, member] of Object.entries(value)) {
    const isDirective = name === RETAIN_KEYS || name.startsWith(DELETE_FROM) || name.startsWith(SET_ORDER);
    const kept = member === null || isDirective ? undefined : withoutDirectives(member);
    if (kept !== undefined) setOwn(clean, name, kept);
  }
  return clean;
}

function merges(field: FieldView | undefined): boolean {
  return field?.patchStrategy?.includes("merge") ?? false;
}

function nested(field: FieldView | undefined): TypeView {
  return field?.type !== undefined && field.shape !== "map" ? field.type : UNKNOWN_TYPE;
}

function asObjects(list: Json[], key: string): JsonObject[] {
  for (const item of list) {
    if (!isJsonObject(item)) {
      throw new PatchError("malformed", `Cannot merge list by ${key} as every item must be an object`);
    }
  }
  return list as JsonObject[];
}

function keyOf(item: JsonObject, key: string): Json {
  const value = getOwn(item, key);
  if (value === undefined) {
    throw new PatchError("malformed", `map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
  }
  return value;
}

function unknownDirective(directive: Json): PatchError {
  return new PatchError("malformed", `unknown patch type: ${JSON.stringify(directive)}`);
}
