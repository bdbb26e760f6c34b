/** Replaces the pods of a DaemonSet, no more at a time than it says (docs: "Perform a Rolling Update"; KEP-1591). Pure. */
import { type DaemonSet, isAvailable, type Pod, scaleIntOrPercent } from "@k3ts/model/objects";
import { isCurrent } from "./pods.ts";

/** What there is on one node. */
export interface Site {
  node: string;
  runs: boolean;
  stays: boolean;
  pods: readonly Pod[];
}

export interface Rolling {
  creates: string[];
  deletes: { pod: Pod; because: string }[];
}

interface Pair {
  site: Site;
  newer: Pod | undefined;
  older: Pod | undefined;
}

/** How many pods may be made beside others, and how many may be missing. */
export function limits({ spec }: DaemonSet, nodes: number): { surge: number; unavailable: number } {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  if (type !== "RollingUpdate") return { surge: 0, unavailable: 0 };
  const surge = scaleIntOrPercent(rollingUpdate?.maxSurge ?? 0, nodes, "up");
  const unavailable = scaleIntOrPercent(rollingUpdate?.maxUnavailable ?? 1, nodes, "up");
  return nodes > 0 && surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

export function roll(daemonSet: DaemonSet, sites: readonly Site[], hash: string, now: number): Rolling {
  const wanted = sites.filter(({ runs }) => runs).length;
  const { surge, unavailable } = limits(daemonSet, wanted);
  const counted = sites.filter(({ runs, pods }) => runs || pods.length > 0);
  const isUp = (pod: Pod) => isAvailable(pod, daemonSet.spec.minReadySeconds ?? 0, now);
  const pairs = counted.map((site) => pairOf(site, daemonSet, hash));
  return surge === 0 ? replace(pairs, unavailable, isUp) : add(pairs, surge, wanted, isUp);
}

/** undefined where there is more than one of a kind, which is for others to settle. */
function pairOf(site: Site, daemonSet: DaemonSet, hash: string): Pair | { site: Site } {
  const staying = site.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const newer = staying.filter((pod) => isCurrent(pod, daemonSet, hash));
  const older = staying.filter((pod) => !isCurrent(pod, daemonSet, hash));
  return newer.length > 1 || older.length > 1 ? { site } : { site, newer: newer[0], older: older[0] };
}

function replace(pairs: readonly (Pair | { site: Site })[], unavailable: number, isUp: (pod: Pod) => boolean): Rolling {
  let missing = 0;
  const down: Pod[] = [];
  const candidates: Pod[] = [];
  for (const pair of pairs) {
    if (!("newer" in pair) || (pair.newer === undefined) === (pair.older === undefined)) missing++;
    else if (pair.older === undefined) missing += isUp(pair.newer!) ? 0 : 1;
    else if (isUp(pair.older)) candidates.push(pair.older);
    else {
      // It is missing whatever becomes of it.
      missing++;
      down.push(pair.older);
    }
  }
  const because = "it is of an older template";
  const chosen = [...down, ...candidates.slice(0, Math.max(0, unavailable - missing))];
  return { creates: [], deletes: chosen.map((pod) => ({ pod, because })) };
}

function add(
  pairs: readonly (Pair | { site: Site })[],
  surge: number,
  wanted: number,
  isUp: (pod: Pod) => boolean,
): Rolling {
  const deletes: Rolling["deletes"] = [];
  const unwanted: Pod[] = [];
  const atOnce: string[] = [];
  const candidates: string[] = [];
  let surging = 0;
  let available = 0;
  for (const pair of pairs) {
    if (!("newer" in pair)) {
      surging++;
      continue;
    }
    const { site, newer, older } = pair;
    const first = older ?? newer;
    if (first !== undefined && isUp(first)) available++;
    if (older === undefined) continue;
    if (newer !== undefined) {
      if (isUp(newer)) deletes.push({ pod: older, because: "its successor is available" });
      else surging++;
    } else if (!site.runs) {
      if (isUp(older)) unwanted.push(older);
      else deletes.push({ pod: older, because: "it is of an older template, and its node is no longer wanted" });
    } else (isUp(older) ? candidates : atOnce).push(site.node);
  }
  // Where the nodes that are wanted have changed, old ones go only as new ones have come.
  for (const pod of unwanted.slice(0, Math.max(0, available - wanted))) {
    deletes.push({ pod, because: "its node is no longer wanted, and others are available" });
  }
  return { creates: [...atOnce, ...candidates.slice(0, Math.max(0, surge - surging))], deletes };
}
