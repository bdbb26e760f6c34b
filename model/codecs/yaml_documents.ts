/**
 * Documents of YAML as JSON values, in time that grows with their length and no faster. The parser's own ways to find
 * keys that stand twice and what aliases stand for take the square of how many there are: both are done here.
 */
import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  parseAllDocuments,
  parseDocument,
  type ScalarTag,
  type YAMLMap,
} from "yaml";
import { DecodeError, PROBLEMS_MAX } from "./problems.ts";

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
  logLevel: "silent",
  // It would show the whole line of each of them, which may be all of the text.
  prettyErrors: false,
  // Found below, with a table instead of a search for each.
  uniqueKeys: false,
  customTags: (tags: (ScalarTag | unknown)[]) => [octal, boolean, ...tags] as ScalarTag[],
} as const;

/**
 * Values that aliases and merges stand for, counted each time: they are one object here and many in JSON. A few lines
 * of aliases of aliases would be more than there is memory.
 */
const REPEATED_VALUES_MAX = 100_000;

/** A document of a YAML file: a JSON value, and what stood twice in it. */
export interface YamlDocument {
  value: unknown;
  /** `yaml: line 3: key "replicas" already set in map`; at most {@link PROBLEMS_MAX}. */
  duplicates: string[];
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

function textOf(body: Uint8Array | string): string {
  return typeof body === "string" ? body : new TextDecoder().decode(body);
}

type Parsed = Pick<Document, "errors" | "contents">;

function read({ errors: [error], contents }: Parsed, text: string): YamlDocument {
  if (error !== undefined) throw wrong(`line ${lineAt(text, error.pos[0])}: ${error.message}`);
  const reader = new Reader(text);
  return { value: reader.value(contents).json ?? null, duplicates: reader.duplicates };
}

/** A value, and how many it is with all that it holds. */
interface Value {
  json: unknown;
  count: number;
}

class Reader {
  readonly duplicates: string[] = [];
  readonly #anchors = new Map<string, Value>();
  #repeated = 0;

  constructor(readonly text: string) {}

  value(node: unknown): Value {
    if (isAlias(node)) return this.#alias(node.source);
    const value = this.#own(node);
    // Only now: whatever stands inside it cannot mean it. A later anchor of the name takes its place.
    const anchor = node !== null && typeof node === "object" && "anchor" in node ? node.anchor : undefined;
    if (typeof anchor === "string") this.#anchors.set(anchor, value);
    return value;
  }

  #own(node: unknown): Value {
    if (isScalar(node)) return { json: node.value, count: 1 };
    if (isMap(node)) return this.#map(node);
    if (!isSeq(node)) return { json: null, count: 1 };
    const items = node.items.map((item) => isPair(item) ? this.#pair(item.key, item.value) : this.value(item));
    return { json: items.map(({ json }) => json), count: items.reduce((sum, { count }) => sum + count, 1) };
  }

  /** `[a: b]` holds a map of one pair. */
  #pair(key: unknown, value: unknown): Value {
    const { json, count } = this.value(value);
    return { json: record([[this.#key(key), json]]), count: count + 1 };
  }

  #alias(name: string): Value {
    const found = this.#anchors.get(name);
    if (found === undefined) throw wrong(`unknown anchor '${name}' referenced`);
    this.#repeat(found.count);
    return found;
  }

  #repeat(count: number): void {
    this.#repeated += count;
    if (this.#repeated > REPEATED_VALUES_MAX) throw wrong("document contains excessive aliasing");
  }

  #map({ items }: YAMLMap): Value {
    const own = new Map<string, unknown>();
    const merged = new Map<string, unknown>();
    let count = 1;
    for (const { key, value } of items) {
      if (isMerge(key)) {
        for (const [name, json] of this.#mergeSources(value)) if (!merged.has(name)) merged.set(name, json);
        continue;
      }
      const name = this.#key(key);
      if (own.has(name)) this.#tellDuplicate(name, key);
      const inner = this.value(value);
      own.set(name, inner.json);
      count += inner.count;
    }
    // What the map itself says goes before what it takes over, wherever it says so.
    for (const [name, json] of merged) if (!own.has(name)) own.set(name, json);
    return { json: record(own), count: count + merged.size };
  }

  /** Of several maps the first that has a key decides (yaml.org, "Merge Key Language-Independent Type"). */
  #mergeSources(node: unknown): [string, unknown][] {
    const { json } = this.value(node);
    return (Array.isArray(json) ? json : [json]).flatMap((source) => {
      if (typeof source !== "object" || source === null || Array.isArray(source)) {
        throw wrong("map merge requires map or sequence of maps as the value");
      }
      const entries = Object.entries(source);
      this.#repeat(entries.length);
      return entries;
    });
  }

  #key(node: unknown): string {
    const { json } = this.value(node);
    if (typeof json === "string") return json;
    if (typeof json === "number" || typeof json === "boolean") return String(json);
    throw wrong(`a key must be text, a number or a boolean: it is ${json === null ? "null" : "a collection"}`);
  }

  #tellDuplicate(name: string, key: unknown): void {
    if (this.duplicates.length === PROBLEMS_MAX) return;
    const at = isScalar(key) || isAlias(key) ? key.range?.[0] ?? 0 : 0;
    this.duplicates.push(`yaml: line ${lineAt(this.text, at)}: key "${name}" already set in map`);
  }
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}

function isMerge(key: unknown): boolean {
  return isScalar(key) && key.value === "<<" && (key.type === undefined || key.type === "PLAIN");
}

/** A key may be called like something that every object has. */
function record(entries: Iterable<readonly [string, unknown]>): Record<string, unknown> {
  return Object.fromEntries(entries);
}

function wrong(reason: string, options?: ErrorOptions): DecodeError {
  return new DecodeError(`error converting YAML to JSON: yaml: ${reason}`, options);
}

/** The parser recurses, and so a body made of brackets ends its stack. */
function shallow<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (cause instanceof RangeError) throw wrong("exceeded max depth", { cause });
    throw cause;
  }
}
