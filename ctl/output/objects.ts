/** Objects as JSON, YAML or names. */
import { stringify } from "yaml";
import type { KubernetesObject } from "@k3ts/client";

export const FORMATS = ["wide", "json", "yaml", "name"] as const;
export type Format = (typeof FORMATS)[number];

/** One object as itself, several as a `List`. */
export function renderObjects(objects: readonly KubernetesObject[], format: "json" | "yaml", single: boolean): string {
  const value = single ? objects[0] : { apiVersion: "v1", kind: "List", metadata: {}, items: objects };
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
