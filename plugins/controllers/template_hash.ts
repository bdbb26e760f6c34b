/** Which templates are the same, and the names that follow from them. */
import { canonicalJson, cloneJson, type PodTemplateSpec, safeEncode } from "@k3ts/model/objects";

export const HASH_LABEL = "pod-template-hash";

/** A template as text that does not depend on the order of its keys, without the label that we add. */
export function templateText(template: PodTemplateSpec | undefined): string {
  const copy = cloneJson(template ?? {});
  const labels = copy.metadata?.labels;
  if (labels !== undefined) {
    delete labels[HASH_LABEL];
    if (Object.keys(labels).length === 0) delete copy.metadata!.labels;
  }
  if (copy.metadata !== undefined) delete (copy.metadata as { creationTimestamp?: unknown }).creationTimestamp;
  return canonicalJson(copy as Parameters<typeof canonicalJson>[0]);
}

/** What is made from templates: names of two that are the same are told apart by how often that has happened. */
interface Templated {
  metadata: { name: string };
  spec?: { template?: PodTemplateSpec };
  status?: { collisionCount?: number };
}

export function templateHash({ spec, status }: Templated): string {
  const collisions = status?.collisionCount ?? 0;
  return safeEncode(String(fnv1a(templateText(spec?.template) + (collisions > 0 ? `#${collisions}` : ""))));
}

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Of the object that stands for the owner's template. */
export function hashedName(owner: Templated): string {
  return `${owner.metadata.name}-${templateHash(owner)}`;
}
