/** How far a rollout may stray from the wanted number of pods. */
import { type Deployment, resolveFenceposts } from "@k3ts/model/objects";

/** How many pods may exist beyond the wanted number, and how many of it may be unavailable. */
export function limits(deployment: Deployment): { surge: number; unavailable: number } {
  const { strategy } = deployment.spec ?? {};
  if (strategy?.type === "Recreate") return { surge: 0, unavailable: 0 };
  const wanted = deployment.spec?.replicas ?? 1;
  const { surge, unavailable } = resolveFenceposts(
    strategy?.rollingUpdate?.maxSurge ?? "25%",
    strategy?.rollingUpdate?.maxUnavailable ?? "25%",
    wanted,
  );
  return { surge, unavailable: Math.min(wanted, unavailable) };
}
