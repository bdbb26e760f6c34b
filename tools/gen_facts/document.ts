/** What the Go program prints; see `main.go`, `types.go` and `discovery.go` for the meaning of each part. */
export interface Document {
  kubernetesVersion: string;
  types: TypeRow[];
  groups: { name: string; versions: string[] }[];
  resources: ResourceRow[];
}

export interface TypeRow {
  key: string;
  schema: string;
  kind?: boolean;
  atomic?: boolean;
  fields: FieldRow[];
}

export interface FieldRow {
  name: string;
  number?: number;
  shape?: "list" | "map";
  type: string;
  inline?: boolean;
  pointer?: boolean;
  always?: boolean;
  required?: boolean;
  listType?: string;
  listMapKeys?: string[];
  mapType?: string;
  patchStrategy?: string;
  patchMergeKey?: string;
  format?: string;
  default?: unknown;
  enum?: string[];
}

export interface ResourceRow {
  group: string;
  resource: string;
  kind: string;
  singular: string;
  shortNames?: string[];
  categories?: string[];
  namespaced: boolean;
  versions: { version: string; verbs: string[]; subresources?: Record<string, unknown>[] }[];
  storageVersion?: string;
}

/** `apps/v1` of `apps/v1.Deployment`. */
export function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf("."));
}

/** `Deployment` of `apps/v1.Deployment`. */
export function nameOf(key: string): string {
  return key.slice(key.lastIndexOf(".") + 1);
}
