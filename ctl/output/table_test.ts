import { equal } from "node:assert/strict";
import { align, renameRows, renderTable } from "./table.ts";

const column = (name: string, priority = 0) => ({ name, priority, type: "string", format: "", description: "" });
const table = {
  columnDefinitions: [column("Name"), column("Ready"), column("Node", 1)],
  rows: [
    { cells: ["a-long-name", "1/1", "n1"], object: { metadata: { name: "a-long-name", namespace: "default" } } },
    { cells: ["b", "0/1", null], object: { metadata: { name: "b", namespace: "kube-system" } } },
  ],
};

Deno.test("columns are aligned and those of low priority left out", () => {
  const shown = renderTable(table, { wide: false, withNamespace: false, withHeader: true });
  equal(shown, "NAME          READY\na-long-name   1/1\nb             0/1");
});

Deno.test("wide shows every column, and an empty cell as <none>", () => {
  const shown = renderTable(table, { wide: true, withNamespace: true, withHeader: true });
  equal(shown.split("\n")[2], "kube-system   b             0/1     <none>");
});

Deno.test("rows that are shown later keep to the columns", () => {
  const widths: number[] = [];
  align([["long-name", "1"]], widths);
  equal(align([["b", "2"]], widths), "b           2");
});

Deno.test("names can be shown with their resource", () => {
  equal(renameRows(table, (name) => `pod/${name}`).rows[1]!.cells[0], "pod/b");
});

Deno.test("what others have written cannot command the terminal", () => {
  equal(align([["a\u001b[2Jb", "c"]]), "a^[[2Jb   c");
});

Deno.test("no cell looks like a row of its own", () => {
  equal(align([["a\nkube-admin", "c\n"], ["b", "c"]]), "a\\nkube-admin   c\nb               c");
});
