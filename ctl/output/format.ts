/** What `-o` may be, for every command that shows objects. */
import { readFileSync } from "node:fs";
import type { KubernetesObject } from "@k3ts/client";
import type { DiscoveredResource } from "@k3ts/proto";
import { nearest } from "../nearest.ts";
import { apiVersionOf, displayName } from "../names.ts";
import { Problem } from "../problem.ts";
import { type Column, parseColumns, parseColumnsFile, renderColumns } from "./custom_columns.ts";
import { parseTemplate, renderTemplate } from "./jsonpath.ts";
import type { TemplateNode } from "./jsonpath_parse.ts";
import { renderObjects, withoutManagers } from "./objects.ts";

/** For help. */
export const FORMAT_NAMES = "wide, json, yaml, name, jsonpath=TEMPLATE, custom-columns=HEADER:PATH,…";
const SIMPLE = ["wide", "json", "yaml", "name"] as const;
const WITH_ARGUMENT = ["jsonpath", "jsonpath-file", "custom-columns", "custom-columns-file"];

/** How objects are shown that are no table of the server's. */
export type ObjectFormat =
  | { type: "json" | "yaml" | "name" }
  | { type: "template"; template: TemplateNode[] }
  | { type: "columns"; columns: Column[] };

/** @returns undefined for the table that the server makes. @throws {Problem} */
export function parseFormat(output: string | undefined): ObjectFormat | "wide" | undefined {
  if (output === undefined || output === "") return undefined;
  if (output === "wide") return output;
  const simple = SIMPLE.find((name) => name === output);
  if (simple !== undefined) return { type: simple as "json" | "yaml" | "name" };
  const [type = "", ...rest] = output.split("=");
  const argument = rest.join("=");
  if (WITH_ARGUMENT.includes(type) && argument === "") {
    throw new Problem(`The output ${type} needs a ${type.startsWith("json") ? "template" : "list of columns"}.`);
  }
  switch (type) {
    case "jsonpath":
      return { type: "template", template: parseTemplate(argument) };
    case "jsonpath-file":
      return { type: "template", template: parseTemplate(readArgument(argument)) };
    case "custom-columns":
      return { type: "columns", columns: parseColumns(argument) };
    case "custom-columns-file":
      return { type: "columns", columns: parseColumnsFile(readArgument(argument)) };
  }
  const meant = nearest(type, [...SIMPLE, ...WITH_ARGUMENT]);
  throw new Problem(
    `The output must be one of ${FORMAT_NAMES}: it is "${output}"${
      meant === undefined ? "." : `; did you mean "${meant}"?`
    }`,
  );
}

/** As {@link parseFormat}, where there is no table. @throws {Problem} */
export function parseObjectFormat(output: string | undefined): ObjectFormat | undefined {
  const format = parseFormat(output);
  if (format === "wide") throw new Problem("There is no table that could be wide: leave -o wide out.");
  return format;
}

export interface Shown {
  resource: DiscoveredResource;
  object: KubernetesObject;
}

export interface ShowOptions {
  /** One object is shown as itself, several as a List. */
  single: boolean;
  showManagedFields?: boolean;
  /** Of custom columns. @default true */
  headers?: boolean;
}

/** @returns what is to be written, with the end of its last line */
export function showObjects(shown: readonly Shown[], format: ObjectFormat, options: ShowOptions): string {
  if (format.type === "name") {
    return shown.map(({ resource, object }) => `${displayName(resource, object.metadata.name ?? "")}\n`).join("");
  }
  const objects = shown.map(({ resource, object }) => complete(resource, object, options.showManagedFields ?? false));
  const root = options.single ? objects[0] : listOf(objects);
  switch (format.type) {
    case "json":
    case "yaml":
      return `${renderObjects(root, format.type)}\n`;
    case "template":
      return renderTemplate(format.template, root);
    case "columns":
      return `${renderColumns(format.columns, objects, options.headers ?? true)}\n`;
  }
}

function listOf(items: readonly KubernetesObject[]) {
  return { apiVersion: "v1", kind: "List", metadata: { resourceVersion: "" }, items };
}

/** What is in a list carries no type of its own. */
function complete(resource: DiscoveredResource, object: KubernetesObject, withManagers: boolean): KubernetesObject {
  const typed = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
  return withManagers ? typed : withoutManagers(typed);
}

function readArgument(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Problem(`Cannot read ${path}: ${(error as Error).message}`);
  }
}
