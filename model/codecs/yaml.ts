import { stringify } from "yaml";
import type { TypeFacts } from "../facts/types.ts";
import type { KubernetesObject } from "../types/mod.ts";
import { decodeValue } from "./json.ts";
import type { Decoded, DecodeOptions } from "./problems.ts";
import { parseYaml } from "./yaml_documents.ts";

/**
 * Reads an object of a known type from one YAML document.
 * @throws {DecodeError} when it is no YAML, and as {@link decodeValue}
 */
export function decodeYaml<T extends object = KubernetesObject>(
  body: Uint8Array | string,
  type: TypeFacts,
  options: DecodeOptions = {},
): Decoded<T> {
  const { value, duplicates } = parseYaml(body);
  return decodeValue<T>(value, type, options, (problems) => [...duplicates, ...problems]);
}

/** An object as YAML, as kubectl prints it. */
export function encodeYaml(object: unknown): string {
  return stringify(object, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: true });
}
