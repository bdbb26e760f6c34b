/** How a refused apply is told: in Kubernetes's words, since kubectl and its users parse them. */
import type { ManagerKey } from "./managers.ts";

/** One field that another manager holds with another value. */
export interface FieldConflict {
  /** The other manager, as messages show it: `"kubectl-client-side-apply" using apps/v1`. */
  manager: string;
  /** `.spec.template.spec.containers[name="app"].image` */
  field: string;
}

/** The apply changes fields that others manage and was not forced. Becomes 409 with one cause a conflict. */
export class ApplyConflict extends Error {
  override name = "ApplyConflict";

  constructor(readonly conflicts: readonly FieldConflict[]) {
    super(message(conflicts));
  }

  /** The causes of the Status. */
  causes(): { reason: "FieldManagerConflict"; message: string; field: string }[] {
    return this.conflicts.map(({ manager, field }) => ({
      reason: "FieldManagerConflict",
      message: `conflict with ${manager}`,
      field,
    }));
  }
}

/** The apply is no valid apply (400): managedFields in the patch, duplicate keys in a list, a wrong shape. */
export class ApplyRefused extends Error {
  override name = "ApplyRefused";
}

/** A manager as conflicts name it. */
export function showManager(key: ManagerKey): string {
  let text = JSON.stringify(key.manager);
  if (key.subresource !== "") text += ` with subresource ${JSON.stringify(key.subresource)}`;
  return key.operation === "Update" ? `${text} using ${key.apiVersion}` : text;
}

function message(conflicts: readonly FieldConflict[]): string {
  if (conflicts.length === 1) {
    return `Apply failed with 1 conflict: conflict with ${conflicts[0]!.manager}: ${conflicts[0]!.field}`;
  }
  const byManager = Map.groupBy(conflicts, ({ manager }) => manager);
  const lines = [...byManager.keys()].sort().flatMap((manager) => [
    `conflicts with ${manager}:`,
    ...byManager.get(manager)!.map(({ field }) => `- ${field}`),
  ]);
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join("\n")}`;
}
