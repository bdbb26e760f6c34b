/** Tables as text, columns aligned, in the manner of kubectl. */
import type { Table } from "@k3ts/client";
import { printableLine } from "./printable.ts";

const GAP = "   ";

export interface TableOptions {
  /** Columns that are only of interest to few. */
  wide: boolean;
  /** Puts the namespace first. */
  withNamespace: boolean;
  withHeader: boolean;
  /** Least widths of the columns; grows with what is shown. @default none */
  widths?: number[];
}

export function renderTable(table: Table, { wide, withNamespace, withHeader, widths }: TableOptions): string {
  const shown = table.columnDefinitions.map((column, index) => ({ column, index })).filter(({ column }) =>
    wide || column.priority === 0
  );
  const header = shown.map(({ column }) => column.name.toUpperCase());
  const rows = table.rows.map((row) => {
    const cells = shown.map(({ index }) => text(row.cells[index]));
    return withNamespace ? [row.object?.metadata.namespace ?? "", ...cells] : cells;
  });
  const lines = withHeader ? [withNamespace ? ["NAMESPACE", ...header] : header, ...rows] : rows;
  return align(lines, widths);
}

/** @param rename of what stands in the column of names */
export function renameRows(table: Table, rename: (name: string) => string): Table {
  const column = table.columnDefinitions.findIndex(({ name }) => name === "Name");
  const renamed = (cells: unknown[]) => cells.map((cell, index) => index === column ? rename(String(cell)) : cell);
  return { ...table, rows: table.rows.map((row) => ({ ...row, cells: renamed(row.cells) })) };
}

/**
 * Every column as wide as its widest cell; nothing trails the last one. Ends of lines within a cell are shown
 * as text, as what follows them would look like another row.
 * @param widths least ones, such as of rows shown before; grows
 */
export function align(rows: readonly (readonly string[])[], widths: number[] = []): string {
  const lines = rows.map((row) => row.map((cell) => printableLine(cell.trimEnd())));
  for (const line of lines) line.forEach((cell, index) => widths[index] = Math.max(widths[index] ?? 0, cell.length));
  return lines.map((line) =>
    line.map((cell, index) => index === line.length - 1 ? cell : cell.padEnd(widths[index]!)).join(GAP).trimEnd()
  ).join("\n");
}

function text(cell: unknown): string {
  if (cell === null || cell === undefined || cell === "") return "<none>";
  return typeof cell === "object" ? JSON.stringify(cell) : String(cell);
}
