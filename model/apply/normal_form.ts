/**
 * An object as the API's types hold it, so that two states differ only where somebody made them differ: what is empty
 * and would not be shown is left out, what is always shown is there.
 */
import { getOwn, isJsonObject, type Json, type JsonObject, setOwn } from "../json.ts";
import type { FieldView, TypeView } from "../facts_interface.ts";

/** Shares what it does not change with the object. */
export function normalForm(object: JsonObject, type: TypeView): JsonObject {
  const normal: JsonObject = {};
  for (const [name, value] of Object.entries(object)) {
    const field = type.field(name);
    if (field === undefined || !isHidden(value, field)) setOwn(normal, name, inside(value, field));
  }
  for (const field of alwaysThere(type)) {
    if ((getOwn(normal, field.name!) ?? null) === null) normal[field.name!] = zeroOf(field);
  }
  return normal;
}

/** Whether the value counts as not given. */
function isHidden(value: Json, field: FieldView): boolean {
  if (field.always) return false;
  if (value === null) return true;
  if (field.shape !== "one") return typeof value === "object" && Object.keys(value).length === 0;
  return field.type === undefined && !field.pointer && (value === "" || value === 0 || value === false) &&
    !keepsZero(field);
}

/** Scalars that are shown however small: the zero of these has no plain form. */
function keepsZero(field: FieldView): boolean {
  return field.opaque === true || field.scalar === "Quantity" || field.scalar === "IntOrString";
}

function inside(value: Json, field: FieldView | undefined): Json {
  const type = field?.type;
  if (type === undefined || field!.opaque) return value;
  const fill = (item: Json) => isJsonObject(item) ? normalForm(item, type) : item;
  if (field!.shape === "list") return Array.isArray(value) ? value.map(fill) : value;
  if (field!.shape === "one" || !isJsonObject(value)) return fill(value);
  const filled: JsonObject = {};
  for (const [name, item] of Object.entries(value)) setOwn(filled, name, fill(item));
  return filled;
}

const alwaysByType = new WeakMap<TypeView, readonly FieldView[]>();

function alwaysThere(type: TypeView): readonly FieldView[] {
  let fields = alwaysByType.get(type);
  if (fields === undefined) {
    fields = [...type.names?.() ?? []].filter((field) => field.always && field.name !== undefined);
    alwaysByType.set(type, fields);
  }
  return fields;
}

function zeroOf(field: FieldView): Json {
  if (field.shape !== "one" || field.pointer) return null;
  if (field.type !== undefined) return normalForm({}, field.type);
  switch (field.scalar) {
    case "string":
      return "";
    case "bool":
      return false;
    case "int32":
    case "int64":
    case "double":
    case "IntOrString":
      return 0;
    case "Quantity":
      return "0";
    default:
      return null;
  }
}
