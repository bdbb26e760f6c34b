/** Which templates are the same, and the names that follow from them. */
import { canonicalJson, cloneJson, type Deployment, type PodTemplateSpec, safeEncode } from "@k3ts/model/objects";

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

export function templateHash(deployment: Deployment): string {
  const collisions = deployment.status?.collisionCount ?? 0;
  return safeEncode(String(fnv1a(templateText(deployment.spec?.template) + (collisions > 0 ? `#${collisions}` : ""))));
}

/** FNV-1a, 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

export function setName(deployment: Deployment): string {
  return `${deployment.metadata.name}-${templateHash(deployment)}`;
}
