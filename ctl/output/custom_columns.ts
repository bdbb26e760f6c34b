/** Columns that a person has asked for: `NAME:.metadata.name,IMAGE:.spec.containers[*].image`. */
import { Problem } from "../problem.ts";
import { find, parseRelaxed, showValue } from "./jsonpath.ts";
import type { Path } from "./jsonpath_parse.ts";
import { align } from "./table.ts";

export interface Column {
  header: string;
  path: Path;
}

/** @throws {Problem} */
export function parseColumns(text: string): Column[] {
  return splitColumns(text).map((part) => {
    const colon = part.indexOf(":");
    if (colon < 1) throw new Problem(`A column must be HEADER:PATH: "${part}" is not.`);
    return { header: part.slice(0, colon), path: parseRelaxed(part.slice(colon + 1)) };
  });
}

/** A line of headers and a line of paths. @throws {Problem} */
export function parseColumnsFile(text: string): Column[] {
  const [headers = "", paths = ""] = text.split("\n");
  const headerWords = headers.trim().split(/\s+/);
  const pathWords = paths.trim().split(/\s+/);
  if (headers.trim() === "" || headerWords.length !== pathWords.length) {
    throw new Problem("A file of columns must have a line of headers and one of as many paths.");
  }
  return headerWords.map((header, index) => ({ header, path: parseRelaxed(pathWords[index]!) }));
}

export function renderColumns(columns: readonly Column[], objects: readonly unknown[], withHeader: boolean): string {
  const rows = objects.map((object) =>
    columns.map(({ path }) => {
      const values = find(path, object);
      return values.length === 0 ? "<none>" : values.map((value) => showValue(value) || "<none>").join(",");
    })
  );
  return align(withHeader ? [columns.map(({ header }) => header), ...rows] : rows);
}

/** At commas that are in no brackets or quotes. */
function splitColumns(text: string): string[] {
  return [...text.matchAll(/(?:\[(?:"[^"]*"|'[^']*'|[^\]])*\]|"[^"]*"|'[^']*'|[^,])+/g)].map(([part]) => part);
}
