/** Nested values as indented lines: what YAML would be if nobody had to parse it. */

/** What is empty or not there is left out. */
export function renderTree(value: Record<string, unknown>, indent = ""): string {
  const shown = Object.entries(value).filter(([, inner]) => !isEmpty(inner));
  const width = Math.max(0, ...shown.filter(([, inner]) => !isNested(inner)).map(([key]) => key.length));
  return shown.map(([key, inner]) =>
    isNested(inner)
      ? `${indent}${key}:\n${renderNested(inner, `${indent}  `)}`
      : `${indent}${`${key}:`.padEnd(width + 2)}${renderScalar(inner)}`
  ).join("\n");
}

function renderNested(value: object, indent: string): string {
  if (!Array.isArray(value)) return renderTree(value as Record<string, unknown>, indent);
  return value.map((item) => {
    if (!isNested(item)) return `${indent}- ${renderScalar(item)}`;
    return `${indent}- ${renderNested(item, `${indent}  `).trimStart()}`;
  }).join("\n");
}

function isNested(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (isNested(value) && Object.keys(value).length === 0);
}

function renderScalar(value: unknown): string {
  return String(value);
}
