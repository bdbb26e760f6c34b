/**
 * A set of fields of an object: a tree of path elements, some of which are members.
 *
 * A path element is written as fieldsV1 writes it: `f:<name>` a member of an object, `k:{"name":"a"}` an item of a map
 * list, `v:"x"` an item of a set, `i:0` an item by place. A field's parents are members only where they stand
 * in the set themselves. Sets are never changed once handed out: operations return new ones.
 */
import { getOwn, type JsonObject } from "../json.ts";
import type { TypeView } from "../facts_interface.ts";
import { comparePathElements, showPathElement } from "./path_element.ts";

export type PathElement = string;

interface Node {
  member: boolean;
  children: FieldSet | undefined;
}

export class FieldSet {
  readonly #nodes = new Map<PathElement, Node>();

  static of(...paths: PathElement[][]): FieldSet {
    const set = new FieldSet();
    for (const path of paths) set.insert(path);
    return set;
  }

  /** Adds a field. The empty path names the whole object, which nobody owns. Only for whoever builds the set. */
  insert(path: readonly PathElement[], from: number = 0): void {
    if (from === path.length) return;
    if (from === path.length - 1) this.mark(path[from]!);
    else this.descend(path[from]!).insert(path, from + 1);
  }

  /** Makes an element a member. Only for whoever builds the set. */
  mark(element: PathElement): void {
    this.#node(element).member = true;
  }

  /** The set below an element, made if there is none. Only for whoever builds the set. */
  descend(element: PathElement): FieldSet {
    return this.#node(element).children ??= new FieldSet();
  }

  has(path: readonly PathElement[], from: number = 0): boolean {
    if (from === path.length) return false;
    if (from === path.length - 1) return this.hasElement(path[from]!);
    return this.below(path[from]!)?.has(path, from + 1) ?? false;
  }

  hasElement(element: PathElement): boolean {
    return this.#nodes.get(element)?.member ?? false;
  }

  /** The fields below an element, or undefined where there are none. */
  below(element: PathElement): FieldSet | undefined {
    return this.#nodes.get(element)?.children;
  }

  get isEmpty(): boolean {
    for (const node of this.#nodes.values()) {
      if (node.member || (node.children !== undefined && !node.children.isEmpty)) return false;
    }
    return true;
  }

  union(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const match = other.#nodes.get(element);
      const children = node.children && match?.children
        ? node.children.union(match.children)
        : node.children ?? match?.children;
      result.#put(element, node.member || (match?.member ?? false), children);
    }
    for (const [element, node] of other.#nodes) {
      if (!this.#nodes.has(element)) result.#put(element, node.member, node.children);
    }
    return result;
  }

  intersection(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const match = other.#nodes.get(element);
      if (match === undefined) continue;
      const children = node.children && match.children && node.children.intersection(match.children);
      result.#put(element, node.member && match.member, children);
    }
    return result;
  }

  /** Without the other's members; what lies below a member of the other stays. */
  difference(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const match = other.#nodes.get(element);
      const children = node.children && match?.children ? node.children.difference(match.children) : node.children;
      result.#put(element, node.member && !(match?.member ?? false), children);
    }
    return result;
  }

  /** Without the other's members and all that lies below them. */
  differenceWithChildren(other: FieldSet): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const match = other.#nodes.get(element);
      if (match?.member) continue;
      const children = node.children && match?.children
        ? node.children.differenceWithChildren(match.children)
        : node.children;
      result.#put(element, node.member, children);
    }
    return result;
  }

  equals(other: FieldSet): boolean {
    return this.difference(other).isEmpty && other.difference(this).isEmpty;
  }

  /** Adds every field of a struct that has members below it: owning `spec.replicas` is having `spec`. */
  withNamedFields(type: TypeView | undefined): FieldSet {
    const result = new FieldSet();
    for (const [element, node] of this.#nodes) {
      const field = element.startsWith("f:") ? type?.field(element.slice(2)) : undefined;
      // The items of a list, and the values of a map, are of the field's type.
      const inner = element.startsWith("f:") ? field : undefined;
      const children = node.children &&
        node.children.#withNamedFieldsBelow(inner, element.startsWith("k:") ? type : undefined);
      result.#put(element, node.member || (field !== undefined && node.children !== undefined), children);
    }
    return result;
  }

  #withNamedFieldsBelow(field: ReturnType<TypeView["field"]>, item: TypeView | undefined): FieldSet {
    if (item !== undefined) return this.withNamedFields(item);
    if (field?.shape === "map") {
      const result = new FieldSet();
      for (const [element, node] of this.#nodes) {
        result.#put(element, node.member, node.children?.withNamedFields(field.type));
      }
      return result;
    }
    return this.withNamedFields(field?.type);
  }

  /** Every member, parents before children, in the order of fieldsV1. */
  *paths(prefix: PathElement[] = []): Generator<PathElement[]> {
    const elements = this.#sorted();
    for (const element of elements) if (this.#nodes.get(element)!.member) yield [...prefix, element];
    for (const element of elements) yield* this.#nodes.get(element)!.children?.paths([...prefix, element]) ?? [];
  }

  /** As fieldsV1 has it, members in canonical order. */
  toJson(): JsonObject {
    const json: JsonObject = {};
    for (const element of this.#sorted()) {
      const { member, children } = this.#nodes.get(element)!;
      const below = children === undefined || children.isEmpty ? undefined : children.toJson();
      if (below !== undefined) json[element] = member ? { ".": {}, ...below } : below;
      else if (member) json[element] = {};
    }
    return json;
  }

  /** Reads fieldsV1; elements of kinds unknown here are ignored. */
  static fromJson(json: JsonObject): FieldSet {
    const set = new FieldSet();
    for (const [element, below] of Object.entries(json)) {
      if (element === "." || !/^[fkvi]:/.test(element) || typeof below !== "object" || below === null) continue;
      const inner = Array.isArray(below) ? {} : below;
      const children = FieldSet.fromJson(inner);
      const member = Object.keys(inner).length === 0 || getOwn(inner, ".") !== undefined;
      set.#put(element, member, children);
    }
    return set;
  }

  #put(element: PathElement, member: boolean, children: FieldSet | undefined): void {
    const kept = children !== undefined && children.#nodes.size > 0 ? children : undefined;
    if (member || kept !== undefined) this.#nodes.set(element, { member, children: kept });
  }

  #node(element: PathElement): Node {
    let node = this.#nodes.get(element);
    if (node === undefined) this.#nodes.set(element, node = { member: false, children: undefined });
    return node;
  }

  #sorted(): PathElement[] {
    return [...this.#nodes.keys()].sort(comparePathElements);
  }
}

/** `.spec.containers[name="a"].image` */
export function showPath(path: readonly PathElement[]): string {
  return path.map(showPathElement).join("");
}
