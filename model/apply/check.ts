/** Whether a configuration can be applied at all: no fields that the type lacks, no item twice, the right version. */
import { isJsonObject, type Json, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { ApplyRefused } from "./conflict.ts";
import { type PathElement, showPath } from "./field_set.ts";
import { fieldElement } from "./path_element.ts";
import { itemElement, memberOf, type Place, placeOf } from "./schema.ts";

/** @throws {ApplyRefused} */
export function refuseIfNotApplicable(applied: JsonObject, live: JsonObject | undefined, type: TypeView): void {
  const expected = live?.["apiVersion"];
  if (expected !== undefined && applied["apiVersion"] !== expected) {
    throw new ApplyRefused(
      "Incorrect version specified in apply patch. " +
        `Specified patch version: ${applied["apiVersion"]}, expected: ${expected}`,
    );
  }
  const metadata = applied["metadata"];
  if (isJsonObject(metadata) && metadata["managedFields"] !== undefined && metadata["managedFields"] !== null) {
    throw new ApplyRefused("metadata.managedFields must be nil");
  }
  const problems: string[] = [];
  check(placeOf(type), applied, [], problems);
  if (problems.length > 0) {
    throw new ApplyRefused(
      `failed to create typed patch object: ${
        problems.length === 1 ? problems[0] : `errors:\n  ${problems.join("\n  ")}`
      }`,
    );
  }
}

function check(place: Place, value: Json, path: PathElement[], problems: string[]): void {
  const say = (what: string) => problems.push(`${showPath(path)}: ${what}`);
  if (value === null || place.kind === "unknown") return;
  if (place.kind === "scalar") {
    if (typeof value === "object") say(`expected scalar, got ${JSON.stringify(value)}`);
  } else if (place.kind === "list") {
    if (Array.isArray(value)) checkItems(place, value, path, problems);
    else say(`expected list, got ${JSON.stringify(value)}`);
  } else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      const inner = [...path, fieldElement(name)];
      const { place: below, declared } = memberOf(place, name);
      // Every kind has these; no type declares them.
      if (path.length === 0 && (name === "apiVersion" || name === "kind")) continue;
      if (place.kind === "struct" && !declared) problems.push(`${showPath(inner)}: field not declared in schema`);
      else check(below, member, inner, problems);
    }
  } else say(`expected map, got ${JSON.stringify(value)}`);
}

function checkItems(place: Place & { kind: "list" }, list: Json[], path: PathElement[], problems: string[]): void {
  const seen = new Set<PathElement>();
  for (const [index, item] of list.entries()) {
    if (place.atomic) {
      check(place.item, item, [...path, `i:${index}`], problems);
      continue;
    }
    try {
      const element = itemElement(place, item);
      if (seen.has(element)) problems.push(`${showPath(path)}: duplicate entries for key ${showPath([element])}`);
      seen.add(element);
      check(place.item, item, [...path, element], problems);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      problems.push(`${showPath(path)}: element ${index}: ${error.message}`);
    }
  }
}
