/**
 * Where an object lies in the store: `objects/<resource.group>/<namespace>/<name>`.
 * Namespace is empty for what belongs to the cluster. Names cannot contain a slash.
 */
import { groupResource, type Subject } from "../status.ts";

const PREFIX = "objects/";

export function objectKey(subject: Subject, namespace: string, name: string): string {
  return `${PREFIX}${groupResource(subject)}/${namespace}/${name}`;
}

/** @returns undefined for a key of some other kind */
export function parseObjectKey(key: string): { resource: string; namespace: string; name: string } | undefined {
  if (!key.startsWith(PREFIX)) return undefined;
  const [resource, namespace, name, ...rest] = key.slice(PREFIX.length).split("/");
  if (resource === undefined || namespace === undefined || name === undefined || rest.length > 0) return undefined;
  return { resource, namespace, name };
}
