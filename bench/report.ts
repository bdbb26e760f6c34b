/** What a benchmark says: numbers with their spread, in small tables. */

export interface Table {
  title: string;
  columns: string[];
  rows: (string | number)[][];
  /** What a reader must know to read the figures. */
  notes?: string[];
}

export function render({ title, columns, rows, notes = [] }: Table): string {
  const cells = [columns, ...rows.map((row) => row.map(String))];
  const widths = columns.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? "").length)));
  // The first column names, the others count.
  const line = (row: string[]) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join("  ");
  return [title, ...cells.map(line).map((text) => `  ${text.trimEnd()}`), ...notes.map((note) => `  ${note}`)].join(
    "\n",
  );
}

/** The value that a share of all values does not exceed. @param share 0.5 is the median */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError("Cannot take a quantile as there must be a value: there is none");
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))]!;
}

/** `12` for what is large, `1.2` and `0.12` for what is not. */
export function round(value: number): string {
  const size = Math.abs(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

/** Median, 95th percentile and least, as cells. */
export function spread(values: readonly number[]): string[] {
  return [quantile(values, 0.5), quantile(values, 0.95), Math.min(...values)].map(round);
}
