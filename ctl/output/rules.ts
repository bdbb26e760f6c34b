/** What roles allow, a line a resource. Pure. */
import { align } from "./table.ts";

export interface PolicyRule {
  verbs: string[];
  apiGroups?: string[];
  resources?: string[];
  resourceNames?: string[];
  nonResourceURLs?: string[];
}

/** Rules that say the same of other verbs are one. */
export function renderRules(rules: readonly PolicyRule[], withHeader: boolean): string {
  const rows = new Map<string, { row: [string, string, string]; verbs: Set<string> }>();
  for (const rule of rules) {
    for (const row of rowsOf(rule)) {
      const key = row.join("\n");
      const found = rows.get(key) ?? { row, verbs: new Set() };
      for (const verb of rule.verbs) found.verbs.add(verb);
      rows.set(key, found);
    }
  }
  const lines = [...rows.values()].map(({ row, verbs }) => [...row, `[${[...verbs].join(" ")}]`])
    .toSorted((a, b) => a.join() < b.join() ? -1 : 1);
  // What may be anything first, what is about paths last.
  const [resources, paths] = [
    lines.filter(([resource]) => resource !== ""),
    lines.filter(([resource]) => resource === ""),
  ];
  const header = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"];
  return align([...(withHeader ? [header] : []), ...resources, ...paths]);
}

function rowsOf({ apiGroups = [""], resources = [], resourceNames = [], nonResourceURLs = [] }: PolicyRule) {
  const names = `[${resourceNames.join(" ")}]`;
  return [
    ...resources.flatMap((resource) =>
      apiGroups.map((
        group,
      ): [string, string, string] => [group === "" ? resource : `${resource}.${group}`, "[]", names])
    ),
    ...nonResourceURLs.map((url): [string, string, string] => ["", `[${url}]`, names]),
  ];
}
