/** The compact form of the types' facts: one line a type, see `model/facts/types.ts`, which reads it. */
import type { FieldRow, TypeRow } from "./document.ts";

/** `v1.Container;name 1 string !+;image 2 string;ports 6 []v1.ContainerPort keys=containerPort,protocol …` */
export function typeLine(type: TypeRow): string {
  const head = [type.key, type.kind && "kind", type.atomic && "atomic"].filter(Boolean).join(" ");
  const prefix = type.key.slice(0, type.key.lastIndexOf(".") + 1);
  return [head, ...type.fields.map((field) => fieldText(field, prefix))].join(";");
}

function fieldText(field: FieldRow, prefix: string): string {
  const type = field.type.startsWith(prefix) ? field.type.slice(prefix.length - 1) : field.type;
  const shape = { list: "[]", map: "{}", one: "" }[field.shape ?? "one"];
  const marks = (field.required ? "!" : "") + (field.always ? "+" : "");
  const parts = [
    field.name,
    `${field.number ?? 0}`,
    (field.inline ? "~" : "") + (field.pointer ? "*" : "") + shape + type,
    marks,
    field.listMapKeys && `keys=${field.listMapKeys.join(",")}`,
    field.listType && field.listType !== "map" && `list=${field.listType}`,
    field.mapType && `map=${field.mapType}`,
    field.patchStrategy && `patch=${field.patchStrategy}`,
    field.patchMergeKey && `on=${field.patchMergeKey}`,
    // Some names of key usages contain spaces.
    field.enum?.length && `enum=${field.enum.join("|").replaceAll(" ", "~")}`,
    field.format && `format=${field.format}`,
    field.default !== undefined && `default=${JSON.stringify(field.default)}`,
  ].filter(Boolean) as string[];
  for (const part of parts) {
    if (/[ ;]/.test(part)) {
      throw new Error(`Cannot write field "${field.name}" as its parts must be free of spaces: "${part}"`);
    }
  }
  return parts.join(" ");
}

/** A JSON array with one element a line, so that a change shows as a line. */
export function jsonLines(rows: readonly unknown[]): string {
  return `[\n${rows.map((row) => JSON.stringify(row)).join(",\n")}\n]\n`;
}
