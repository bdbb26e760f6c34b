/** Objects as they are compared: what the server keeps for itself left out, secrets masked. Pure. */
import type { KubernetesObject } from "@k3ts/client";
import { stringify } from "yaml";

/** Of no concern to whoever wrote a manifest. */
const SERVERS_OWN = ["resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"];

export interface ReadableOptions {
  showManagedFields: boolean;
}

/** Both sides as YAML, keys in order; an object that is not there is empty. */
export function readablePair(
  before: KubernetesObject | undefined,
  after: KubernetesObject,
  options: ReadableOptions,
): [string, string] {
  const pair = [before && ownFields(before, options), ownFields(after, options)] as const;
  if (after.kind === "Secret") maskSecrets(...pair);
  return [pair[0] === undefined ? "" : yaml(pair[0]), yaml(pair[1])];
}

type Fields = KubernetesObject & Record<string, unknown>;

function ownFields(object: KubernetesObject, { showManagedFields }: ReadableOptions): Fields {
  const metadata: Record<string, unknown> = { ...object.metadata };
  for (const name of SERVERS_OWN) delete metadata[name];
  if (!showManagedFields) delete metadata.managedFields;
  return { ...object, metadata };
}

/** Which values differ is told, and none of them. */
function maskSecrets(before: Fields | undefined, after: Fields): void {
  for (const field of ["data", "stringData"]) {
    const [left, right] = [before?.[field], after[field]].map((data) => (data ?? {}) as Record<string, unknown>);
    const masked = (own: Record<string, unknown>, other: Record<string, unknown>, side: string) =>
      Object.fromEntries(
        Object.entries(own).map((
          [name, value],
        ) => [name, !(name in other) || other[name] === value ? "***" : `*** (${side})`]),
      );
    if (before?.[field] !== undefined) before[field] = masked(left!, right!, "before");
    if (after[field] !== undefined) after[field] = masked(right!, left!, "after");
  }
  for (const object of [before, after]) {
    const annotations = object?.metadata.annotations;
    // It repeats the whole object, for clients that apply by themselves.
    if (annotations?.[LAST_APPLIED] !== undefined) {
      object!.metadata = { ...object!.metadata, annotations: { ...annotations, [LAST_APPLIED]: "***" } };
    }
  }
}

const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

function yaml(value: unknown): string {
  return stringify(value, { aliasDuplicateObjects: false, sortMapEntries: true, lineWidth: 0 });
}
