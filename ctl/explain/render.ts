/** Fields for people to read, as kubectl lays them out. Pure. */
import { type Field, fieldOf, type KindName, type OpenApi, type Schema } from "./schema.ts";

const WIDTH = 76;
/** Kinds that hold themselves end here. */
const DEPTH_MAX = 40;

export interface ExplainOptions {
  recursive: boolean;
  /** Levels of a recursive explanation. @default as many as there are */
  depthMax?: number;
}

/** @param path of the field, empty for the kind itself */
export function renderExplanation(
  document: OpenApi,
  name: KindName,
  path: readonly string[],
  field: Field,
  { recursive, depthMax = DEPTH_MAX }: ExplainOptions,
): string {
  const lines = [
    ...(name.group === "" ? [] : [`GROUP:      ${name.group}`]),
    `KIND:       ${name.kind}`,
    `VERSION:    ${name.version}`,
    "",
  ];
  if (path.length > 0) {
    lines.push(
      `FIELD: ${path.at(-1)} <${field.typeName}>${field.default === undefined ? "" : showDefault(field.default)}`,
    );
  }
  if (field.enum.length > 0) lines.push("ENUM:", ...field.enum.map((value) => `    ${value}`));
  if (path.length > 0) lines.push("");
  if (field.description !== "") lines.push("DESCRIPTION:", ...wrap(field.description, "    "), "");
  const names = Object.keys(field.fields);
  if (names.length > 0) {
    lines.push("FIELDS:");
    lines.push(...renderFields(document, field, "  ", recursive ? Math.min(depthMax, DEPTH_MAX) : 1, recursive, []));
  }
  return lines.join("\n").trimEnd();
}

function renderFields(
  document: OpenApi,
  { fields, required }: Field,
  indent: string,
  depth: number,
  recursive: boolean,
  above: readonly Schema["properties"][],
): string[] {
  const names = Object.keys(fields).toSorted();
  const width = Math.max(...names.map((name) => name.length));
  return names.flatMap((name) => {
    const field = fieldOf(document, fields[name]!);
    const mark = required.includes(name) ? " -required-" : "";
    const line = `${indent}${name.padEnd(width)}  <${field.typeName}>${mark}`;
    const values = field.enum.length > 0 ? [`${indent}  enum: ${field.enum.join(", ")}`] : [];
    if (!recursive) {
      return [line, ...values, ...(field.description === "" ? [] : wrap(field.description, `${indent}  `))];
    }
    // JSONSchemaProps, and what else holds itself, is shown once.
    if (depth <= 1 || above.includes(field.fields) || Object.keys(field.fields).length === 0) return [line, ...values];
    return [
      line,
      ...values,
      ...renderFields(document, field, `${indent}  `, depth - 1, recursive, [...above, fields]),
    ];
  });
}

function showDefault(value: unknown): string {
  const text = JSON.stringify(value);
  return text === "{}" || text === '""' ? "" : ` (default ${text})`;
}

function wrap(text: string, indent: string): string[] {
  return text.trim().split("\n").flatMap((paragraph) => {
    const lines: string[] = [];
    let line = "";
    for (const word of paragraph.split(/\s+/)) {
      if (line !== "" && line.length + 1 + word.length > WIDTH - indent.length) {
        lines.push(line);
        line = "";
      }
      line = line === "" ? word : `${line} ${word}`;
    }
    return [...lines, line].map((one) => `${indent}${one}`.trimEnd());
  });
}
