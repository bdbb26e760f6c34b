/** Objects as JSON and YAML. */
import { stringify } from "yaml";
import type { KubernetesObject } from "@k3ts/client";

export function renderObjects(value: unknown, format: "json" | "yaml"): string {
  // References of YAML to what stands elsewhere in it are right, but nothing that a person wants to read.
  return format === "json"
    ? JSON.stringify(value, undefined, 2)
    : stringify(value, { aliasDuplicateObjects: false }).trimEnd();
}

/** Without the record of who manages which field: long, and rarely of interest. */
export function withoutManagers<T extends KubernetesObject>(object: T): T {
  const metadata: T["metadata"] & { managedFields?: unknown } = { ...object.metadata };
  delete metadata.managedFields;
  return { ...object, metadata };
}
