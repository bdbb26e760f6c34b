/** What a Deployment writes on its ReplicaSets, and tools such as kubectl read. */
import type { Deployment } from "@k3ts/model/objects";
import { limits } from "./limits.ts";

export const REVISION = "deployment.kubernetes.io/revision";
/** Revisions that the set had before it became the current one again. */
export const REVISION_HISTORY = "deployment.kubernetes.io/revision-history";
/** How many pods the Deployment wanted, and might have at most, when the set was last scaled. */
export const DESIRED = "deployment.kubernetes.io/desired-replicas";
export const MAXIMUM = "deployment.kubernetes.io/max-replicas";

export function scaleAnnotations(deployment: Deployment): Record<string, string> {
  const wanted = deployment.spec?.replicas ?? 1;
  return { [DESIRED]: String(wanted), [MAXIMUM]: String(wanted + limits(deployment).surge) };
}
