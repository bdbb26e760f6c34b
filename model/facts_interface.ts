/**
 * What patches and apply must know of a type: the narrow view of the generated facts that they are written against.
 * Custom resources bring the same view, made from their schemas.
 */

/** A list's or map's part in merging. */
export interface MergeFacts {
  /** How server-side apply sees a list: replaced whole, a set of scalars, or a map by keys. A list is atomic unless told otherwise. */
  readonly list?: "atomic" | "set" | "map";
  /** The keys of a `map` list, in the order of the definition. */
  readonly keys?: readonly string[];
  /** What a key is when an item does not say: `protocol: TCP` of a port. */
  readonly keyDefaults?: Readonly<Record<string, string | number | boolean>>;
  /** A map or struct that server-side apply replaces whole. */
  readonly atomicMap?: boolean;
}

export interface FieldView extends MergeFacts {
  /** Strategic merge: `merge`, `replace`, `retainKeys`; several may stand together (`merge,retainKeys`). */
  readonly patchStrategy?: readonly string[];
  readonly patchMergeKey?: string;
  /** How the field's value nests: the value itself, a list of it, or a map to it. */
  readonly shape: "one" | "list" | "map";
  /** The struct that the value, or each item, is; absent for scalars and for what is opaque. */
  readonly type?: TypeView;
  /** Any JSON without a schema below it (RawExtension, fieldsV1): merged by its own shape. */
  readonly opaque?: boolean;
  readonly name?: string;
  /** JSON shows the zero value too: nobody gave `spec` by giving `spec.replicas`. */
  readonly always?: boolean;
  /** How a scalar is encoded: `string`, `bool`, `int32`, … */
  readonly scalar?: string | undefined;
  readonly pointer?: boolean;
}

export interface TypeView {
  /** For messages: `Container`. */
  readonly name: string;
  /** The struct is replaced whole by server-side apply. */
  readonly atomic?: boolean;
  field(name: string): FieldView | undefined;
  /** Every field. Where a type cannot tell, none is always there. */
  names?(): Iterable<FieldView>;
}

/** A type of which nothing is known: maps merge, lists are replaced. */
export const UNKNOWN_TYPE: TypeView = { name: "unknown", field: () => undefined };
