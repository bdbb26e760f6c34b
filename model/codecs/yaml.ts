import { type Document, parseAllDocuments, parseDocument, type ScalarTag, stringify } from "yaml";
import type { TypeFacts } from "../facts/types.ts";
import type { KubernetesObject } from "../types/mod.ts";
import { decodeValue } from "./json.ts";
import { type Decoded, DecodeError, type DecodeOptions } from "./problems.ts";

/** Manifests were written for YAML 1.1: `0644` is octal, `yes` is true. */
const octal: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  format: "OCT",
  test: /^[-+]?0[0-7_]+$/,
  resolve: (text) => (text.startsWith("-") ? -1 : 1) * parseInt(text.replace(/[-+_]/g, ""), 8),
};
const boolean: ScalarTag = {
  tag: "tag:yaml.org,2002:bool",
  default: true,
  test: /^(?:y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF)$/,
  resolve: (text) => /^(?:y|on$)/i.test(text),
};

const OPTIONS = {
  merge: true,
  logLevel: "silent",
  customTags: (tags: (ScalarTag | unknown)[]) => [octal, boolean, ...tags] as ScalarTag[],
} as const;

/** A document of a YAML file: a JSON value, and what stood twice in it. */
export interface YamlDocument {
  value: unknown;
  /** `duplicate field "replicas"`. */
  duplicates: string[];
}

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
  return decodeValue<T>(value, type, options, () => duplicates);
}

/** One YAML document without a type; JSON is YAML too. @throws {DecodeError} when it is no YAML */
export function parseYaml(body: Uint8Array | string): YamlDocument {
  return read(parseDocument(textOf(body), OPTIONS));
}

/** Every document of a YAML file that holds something. @throws {DecodeError} when one is no YAML */
export function parseYamlDocuments(body: Uint8Array | string): YamlDocument[] {
  const documents: Iterable<Pick<Document, "errors" | "toJS">> = parseAllDocuments(textOf(body), OPTIONS);
  return [...documents].map(read).filter(({ value }) => value !== null && value !== undefined);
}

/** An object as YAML, as kubectl prints it. */
export function encodeYaml(object: unknown): string {
  return stringify(object, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: true });
}

function textOf(body: Uint8Array | string): string {
  return typeof body === "string" ? body : new TextDecoder().decode(body);
}

function read(document: Pick<Document, "errors" | "toJS">): YamlDocument {
  const duplicates: string[] = [];
  for (const error of document.errors) {
    if (error.code !== "DUPLICATE_KEY") {
      throw new DecodeError(`error converting YAML to JSON: yaml: ${error.message.split("\n")[0]}`);
    }
    const line = error.linePos?.[0].line;
    duplicates.push(`yaml: line ${line ?? "unknown"}: key already set in map`);
  }
  return { value: document.toJS({ maxAliasCount: 100 }), duplicates };
}
