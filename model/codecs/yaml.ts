import { type Document, parseAllDocuments, parseDocument, type ScalarTag, stringify } from "yaml";
import type { TypeFacts } from "../facts/types.ts";
import type { KubernetesObject } from "../types/mod.ts";
import { decodeValue } from "./json.ts";
import { type Decoded, DecodeError, type DecodeOptions, PROBLEMS_MAX } from "./problems.ts";

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
  /** `yaml: line 3: key "replicas" already set in map`; at most {@link PROBLEMS_MAX}. */
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
  const text = textOf(body);
  return shallow(() => read(parseDocument(text, OPTIONS), text));
}

/** Every document of a YAML file that holds something. @throws {DecodeError} when one is no YAML */
export function parseYamlDocuments(body: Uint8Array | string): YamlDocument[] {
  const text = textOf(body);
  return shallow(() => {
    const documents: Iterable<Parsed> = parseAllDocuments(text, OPTIONS);
    return [...documents].map((document) => read(document, text)).filter(({ value }) => value !== null);
  });
}

/** An object as YAML, as kubectl prints it. */
export function encodeYaml(object: unknown): string {
  return stringify(object, { version: "1.1", lineWidth: 0, aliasDuplicateObjects: false, sortMapEntries: true });
}

function textOf(body: Uint8Array | string): string {
  return typeof body === "string" ? body : new TextDecoder().decode(body);
}

type Parsed = Pick<Document, "errors" | "toJS">;

function read(document: Parsed, text: string): YamlDocument {
  const duplicates: string[] = [];
  for (const error of document.errors) {
    if (error.code !== "DUPLICATE_KEY") {
      throw new DecodeError(`error converting YAML to JSON: yaml: ${error.message.split("\n")[0]}`);
    }
    if (duplicates.length === PROBLEMS_MAX) break;
    const key = /["']?([^"':,\s]*)/.exec(text.slice(error.pos[0]))?.[1];
    duplicates.push(`yaml: line ${error.linePos?.[0].line ?? 0}: key "${key}" already set in map`);
  }
  return { value: document.toJS({ maxAliasCount: 100 }) ?? null, duplicates };
}

/** The parser recurses, and so a body made of brackets ends its stack. */
function shallow<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof RangeError) {
      throw new DecodeError("error converting YAML to JSON: yaml: exceeded max depth", { cause });
    }
    // Too many aliases.
    if (cause instanceof ReferenceError) {
      throw new DecodeError(`error converting YAML to JSON: yaml: ${cause.message}`, { cause });
    }
    throw cause;
  }
}
