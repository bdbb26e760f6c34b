/** Objects as JSON, YAML or names. */
import { stringify } from "yaml";
import type { KubernetesObject } from "@k3ts/client";

export const FORMATS = ["wide", "json", "yaml", "name"] as const;
export type Format = (typeof FORMATS)[number];

/** One object as itself, several as a `List`. */
export function renderObjects(objects: readonly KubernetesObject[], format: "json" | "yaml", single: boolean): string {
  const value = single ? objects[0] : { apiVersion: "v1", kind: "List", metadata: {}, items: objects };
  return format === "json" ? JSON.stringify(value, undefined, 2) : stringify(value).trimEnd();
}
