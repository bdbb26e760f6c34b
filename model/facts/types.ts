/**
 * The types of the API, by key: `v1.Pod`, `apps/v1.Deployment`, `meta/v1.ObjectMeta`.
 *
 * The table is one line a type and is read a type at a time, on first use:
 *   head; field; field …      head = key [kind] [atomic]
 *   field = name number type [marks] [option=value …]
 *   type = [~ hoisted] [* pointer] [[] list | {} map] (scalar | key | .Name of the same group and version)
 *   marks = `!` required, `+` the zero value is shown
 */
import type { TypeView } from "../facts_interface.ts";
import { type FieldDefinition, FieldFacts, type ScalarName } from "./fields.ts";
import packages from "./packages.json" with { type: "json" };
import lines from "./types.json" with { type: "json" };

/** A message of the API. */
export class TypeFacts implements TypeView {
  /** `apps/v1.Deployment`. */
  readonly key: string;
  /** `Deployment`. */
  readonly name: string;
  /** Can stand at the top of a document, with `apiVersion` and `kind`. */
  readonly isKind: boolean;
  /** Server-side apply replaces it whole. */
  readonly atomic: boolean;
  /** In the order of the definition; of a hoisted message, the message. */
  readonly fields: readonly FieldFacts[];
  readonly #byName = new Map<string, FieldFacts>();
  #byNumber: (FieldFacts | undefined)[] | undefined;
  #shown: readonly FieldFacts[] | undefined;

  constructor(key: string, fields: readonly FieldFacts[], options: { isKind?: boolean; atomic?: boolean } = {}) {
    this.key = key;
    this.name = key.slice(key.lastIndexOf(".") + 1);
    this.isKind = options.isKind ?? false;
    this.atomic = options.atomic ?? false;
    this.fields = fields;
    for (const field of fields) {
      if (!field.inline) {
        this.#byName.set(field.name, field);
        continue;
      }
      for (const inner of field.type!.names()) this.#byName.set(inner.name, inner);
    }
  }

  /** A field by its name in JSON, hoisted ones included. */
  field(name: string): FieldFacts | undefined {
    return this.#byName.get(name);
  }

  /** Every field that JSON can show. */
  names(): Iterable<FieldFacts> {
    return this.#byName.values();
  }

  /** A field by its number in protobuf. */
  byNumber(number: number): FieldFacts | undefined {
    if (this.#byNumber === undefined) {
      this.#byNumber = [];
      for (const field of this.fields) if (field.number > 0) this.#byNumber[field.number] = field;
    }
    return this.#byNumber[number];
  }

  /**
   * The fields that an object as stored always has, whoever sent it: structs (`status: {}`), required lists and the
   * zero of scalars that are not required. A required scalar stays away when it was not given, so that it is missed.
   */
  get shown(): readonly FieldFacts[] {
    return this.#shown ??= [...this.names()].filter((field) => {
      if (field.pointer || !field.always) return false;
      if (field.shape !== "one") return field.shape === "list" && field.required;
      return field.scalar === undefined || !field.required && HAS_ZERO.has(field.scalar);
    });
  }

  /** The name of its OpenAPI schema: `io.k8s.api.apps.v1.Deployment`. */
  get schemaName(): string {
    const prefix = this.key.slice(0, this.key.lastIndexOf("."));
    return `${(packages as Record<string, string>)[prefix] ?? prefix}.${this.name}`;
  }
}

/** Scalars whose zero is a value of its own in JSON, other than null. */
const HAS_ZERO = new Set<ScalarName>(["string", "bool", "int32", "int64", "double", "Quantity"]);

let index: Map<string, string> | undefined;
const read = new Map<string, TypeFacts>();

/** A type by its key; undefined when there is none. */
export function typeByKey(key: string): TypeFacts | undefined {
  const known = read.get(key);
  if (known !== undefined) return known;
  const line = (index ??= indexLines()).get(key);
  if (line === undefined) return undefined;
  const type = parseLine(line);
  read.set(key, type);
  return type;
}

/** Keys of all types. */
export function typeKeys(): Iterable<string> {
  return (index ??= indexLines()).keys();
}

/**
 * The type of a kind. Kinds that every group serves (Status, DeleteOptions, WatchEvent …) are found under any group.
 * @param group `""` for the core group
 */
export function typeFacts(group: string, version: string, kind: string): TypeFacts | undefined {
  return typeByKey(group === "" ? `${version}.${kind}` : `${group}/${version}.${kind}`) ?? machineryKind(kind);
}

function machineryKind(kind: string): TypeFacts | undefined {
  const type = typeByKey(`meta/v1.${kind}`);
  return type?.isKind ? type : undefined;
}

function indexLines(): Map<string, string> {
  return new Map(lines.map((line) => [line.slice(0, line.search(/[ ;]|$/)), line]));
}

function parseLine(line: string): TypeFacts {
  const [head, ...fields] = line.split(";") as [string, ...string[]];
  const [key, ...marks] = head.split(" ") as [string, ...string[]];
  const prefix = key.slice(0, key.lastIndexOf("."));
  return new TypeFacts(key, fields.map((text) => new FieldFacts(parseField(text, prefix))), {
    isKind: marks.includes("kind"),
    atomic: marks.includes("atomic"),
  });
}

function parseField(text: string, prefix: string): FieldDefinition {
  const [name, number, typeText, ...rest] = text.split(" ") as [string, string, string, ...string[]];
  const [, inline, pointer, shape, base] = /^(~?)(\*?)(\[\]|\{\}|)(.*)$/.exec(typeText)! as unknown as string[];
  const isMessage = base!.includes(".");
  const field: FieldDefinition = {
    name,
    number: Number(number),
    shape: shape === "[]" ? "list" : shape === "{}" ? "map" : "one",
    scalar: isMessage ? undefined : base as ScalarName,
    inline: inline === "~",
    pointer: pointer === "*",
  };
  for (const part of rest) {
    const at = part.indexOf("=");
    if (at < 0) {
      field.required = part.includes("!");
      field.always = part.includes("+");
    } else setOption(field, part.slice(0, at), part.slice(at + 1));
  }
  if (isMessage) {
    const key = base!.startsWith(".") ? prefix + base : base!;
    field.message = field.granularMap ? () => granular(typeByKey(key)!) : () => typeByKey(key)!;
  }
  return field;
}

/** The same type where it is not to be replaced whole: `PersistentVolumeSpec.claimRef`. */
function granular(type: TypeFacts): TypeFacts {
  return new TypeFacts(type.key, type.fields, { isKind: type.isKind });
}

function setOption(field: FieldDefinition, name: string, value: string): void {
  switch (name) {
    case "keys":
      field.list = "map";
      field.keys = value.split(",");
      break;
    case "list":
      field.list = value as "atomic" | "set";
      break;
    case "map":
      field.atomicMap = value === "atomic";
      field.granularMap = value === "granular";
      break;
    case "patch":
      field.patchStrategy = value.split(",");
      break;
    case "on":
      field.patchMergeKey = value;
      break;
    case "enum":
      field.enum = value.replaceAll("~", " ").split("|");
      break;
    case "format":
      field.format = value;
      break;
    case "default":
      field.default = JSON.parse(value) as string | number | boolean;
  }
}
