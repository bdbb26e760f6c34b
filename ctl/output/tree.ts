/** Nested values as indented lines: what YAML would be if nobody had to parse it. */
import { printable } from "./printable.ts";

/** What is empty or not there is left out. */
export function renderTree(value: Record<string, unknown>, indent = ""): string {
  return printable(render(value, indent));
}

function render(value: Record<string, unknown>, indent: string): string {
  const shown = Object.entries(value).filter(([, inner]) => !isEmpty(inner));
  const width = Math.max(0, ...shown.filter(([, inner]) => isShort(inner)).map(([key]) => key.length));
  return shown.map(([key, inner]) =>
    isShort(inner)
      ? `${indent}${`${key}:`.padEnd(width + 2)}${String(inner)}`
      : `${indent}${key}:\n${renderInner(inner, `${indent}  `)}`
  ).join("\n");
}

function renderInner(value: unknown, indent: string): string {
  if (!isNested(value)) return String(value).trimEnd().split("\n").map((line) => `${indent}${line}`).join("\n");
  if (!Array.isArray(value)) return render(value as Record<string, unknown>, indent);
  return value.map((item) => `${indent}- ${renderInner(item, `${indent}  `).trimStart()}`).join("\n");
}

/** Fits on the line of its key. */
function isShort(value: unknown): boolean {
  return !isNested(value) && !String(value).trimEnd().includes("\n");
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (isNested(value) && Object.values(value).every(isEmpty));
}
