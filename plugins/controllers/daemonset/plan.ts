/**
 * Decides what a DaemonSet does next: which nodes get a pod, which pods go, what is remembered of its templates, and
 * what the status says. Pure.
 *
 * Behaviour follows Kubernetes 1.35 (docs: "DaemonSet").
 */
import {
  controllerOf,
  type ControllerRevision,
  type DaemonSet,
  isAvailable,
  isReady,
  isTerminal,
  matches,
  type Node,
  type Pod,
  readySince,
} from "@k3ts/model/objects";
import { type HistoryAction, planHistory } from "./history.ts";
import { compareAge, HASH, isCurrent, nodeOf, place } from "./pods.ts";
import { limits, roll, type Site } from "./rolling.ts";

export type DaemonSetAction =
  | HistoryAction
  | { do: "adopt" | "release"; pod: Pod }
  | { do: "adoptRevision" | "releaseRevision"; revision: ControllerRevision }
  | { do: "create"; node: string; hash: string }
  | { do: "delete"; pod: Pod; because: string }
  | { do: "tell"; type: "Normal" | "Warning"; reason: string; message: string };

export interface DaemonSetPlan {
  actions: DaemonSetAction[];
  status: NonNullable<DaemonSet["status"]>;
  /** Nodes whose failed pod is deleted now: the next one there waits longer. */
  failedOn: string[];
  reconsiderAt?: number;
}

export interface Observed {
  nodes: readonly Node[];
  /** Every pod in its namespace that it controls, or that its selector picks and that has no controller. */
  pods: readonly Pod[];
  /** The same of revisions. */
  revisions: readonly ControllerRevision[];
  /** Whether a revision of this name exists, whoever it belongs to. */
  isTaken: (name: string) => boolean;
  /** Until when a failed pod on this node stays, in ms since the epoch, so that what fails at once is not made without end. */
  waitsUntil: (node: string) => number;
}

/** Most pods made or deleted by one plan. */
const BURST_MAX = 250;

/** @param now ms since the epoch */
export function planDaemonSet(daemonSet: DaemonSet, observed: Observed, now: number): DaemonSetPlan {
  const status = daemonSet.status ?? NOTHING;
  const rest = (actions: DaemonSetAction[]): DaemonSetPlan => ({ actions, status, failedOn: [] });
  // Of one on its way out nobody knows what is still there.
  if (daemonSet.metadata.deletionTimestamp !== undefined) return rest([]);
  const { claims, pods, revisions } = claim(daemonSet, observed);
  if (claims.length > 0) return rest(claims);
  const history = planHistory(daemonSet, revisions, pods, observed.isTaken);
  if (history.collides) {
    return { ...rest([]), status: { ...status, collisionCount: (status.collisionCount ?? 0) + 1 } };
  }
  if (history.hash === undefined) return rest(history.actions);
  return run(daemonSet, { ...observed, pods }, history.hash, history.actions, now);
}

const NOTHING: DaemonSetPlan["status"] = {
  currentNumberScheduled: 0,
  numberMisscheduled: 0,
  desiredNumberScheduled: 0,
  numberReady: 0,
};

function claim(
  daemonSet: DaemonSet,
  { pods, revisions }: Observed,
): { claims: DaemonSetAction[]; pods: Pod[]; revisions: ControllerRevision[] } {
  const sort = <T extends Pod | ControllerRevision>(objects: readonly T[]) => {
    const owned: T[] = [];
    const adopted: T[] = [];
    const released: T[] = [];
    for (const object of objects) {
      const controller = controllerOf(object);
      if (controller !== undefined && controller.uid !== daemonSet.metadata.uid) continue;
      const selected = matches(daemonSet.spec.selector, object.metadata.labels);
      if (controller !== undefined) (selected ? owned : released).push(object);
      else if (selected && object.metadata.deletionTimestamp === undefined) adopted.push(object);
    }
    return { owned, adopted, released };
  };
  const ofPods = sort(pods);
  const ofRevisions = sort(revisions);
  return {
    pods: ofPods.owned,
    revisions: ofRevisions.owned,
    claims: [
      ...ofPods.adopted.map((pod): DaemonSetAction => ({ do: "adopt", pod })),
      ...ofPods.released.map((pod): DaemonSetAction => ({ do: "release", pod })),
      ...ofRevisions.adopted.map((revision): DaemonSetAction => ({ do: "adoptRevision", revision })),
      ...ofRevisions.released.map((revision): DaemonSetAction => ({ do: "releaseRevision", revision })),
    ],
  };
}

function run(
  daemonSet: DaemonSet,
  observed: Observed,
  hash: string,
  history: HistoryAction[],
  now: number,
): DaemonSetPlan {
  const sites = sitesOf(daemonSet, observed);
  const managed = manage(daemonSet, sites, observed, hash, now);
  const isSettled = managed.creates.length + managed.deletes.length === 0;
  const isRolling = daemonSet.spec.updateStrategy?.type === "RollingUpdate";
  // One thing after the other: the next round sees what has come of this one.
  const rolled = isSettled && isRolling ? roll(daemonSet, sites, hash, now) : { creates: [], deletes: [] };
  const creates = [...managed.creates, ...rolled.creates].slice(0, BURST_MAX);
  const deletes = [...managed.deletes, ...rolled.deletes].slice(0, BURST_MAX);
  const { status, availableAt } = outlook(daemonSet, sites, hash, now);
  const wakes = [...managed.wakes, ...availableAt];
  return {
    actions: [
      ...history,
      ...managed.told,
      ...creates.map((node): DaemonSetAction => ({ do: "create", node, hash })),
      ...deletes.map(({ pod, because }): DaemonSetAction => ({ do: "delete", pod, because })),
    ],
    status,
    failedOn: managed.failedOn,
    ...(wakes.length > 0 && { reconsiderAt: Math.min(...wakes) }),
  };
}

function sitesOf(daemonSet: DaemonSet, { nodes, pods }: Observed): Site[] {
  // What has ended and was told to go is only held by others.
  const byNode = Map.groupBy(
    pods.filter((pod) => !(isTerminal(pod) && pod.metadata.deletionTimestamp !== undefined)),
    nodeOf,
  );
  return nodes.map((node) => ({
    node: node.metadata.name,
    ...place(daemonSet, node),
    pods: (byNode.get(node.metadata.name) ?? []).sort(compareAge),
  })).sort((a, b) => a.node < b.node ? -1 : 1);
}

interface Managed {
  creates: string[];
  deletes: { pod: Pod; because: string }[];
  told: DaemonSetAction[];
  failedOn: string[];
  wakes: number[];
}

/** One pod on each node that is to have one, none on others; of several the right ones go. */
function manage(
  daemonSet: DaemonSet,
  sites: readonly Site[],
  { nodes, pods, waitsUntil }: Observed,
  hash: string,
  now: number,
): Managed {
  const managed: Managed = { creates: [], deletes: [], told: [], failedOn: [], wakes: [] };
  const drop = (pods: readonly Pod[], because: string) =>
    managed.deletes.push(...pods.map((pod) => ({ pod, because })));
  const surges = limits(daemonSet, 1).surge > 0;
  for (const site of sites) {
    const staying = site.pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
    if (site.runs && site.pods.length === 0) managed.creates.push(site.node);
    else if (!site.stays) drop(staying, "its node is not for it");
    else {
      const running = bury(site.node, staying, managed, waitsUntil, now);
      if (surges && running.length === 0 && site.runs && !staying.some(isFailed)) managed.creates.push(site.node);
      if (running.length > 1) {
        drop(surges ? outdone(daemonSet, running, hash, now) : running.slice(1), "it is one too many");
      }
    }
  }
  const known = new Set(nodes.map(({ metadata }) => metadata.name));
  const lost = pods.filter((pod) =>
    !pod.spec.nodeName && pod.metadata.deletionTimestamp === undefined && !known.has(nodeOf(pod) ?? "")
  );
  drop(lost.filter((pod) => nodeOf(pod) !== undefined), "its node is gone");
  return managed;
}

/** What has ended is deleted, so that another one can be made; what fails again and again later and later. @returns the others */
function bury(
  node: string,
  staying: readonly Pod[],
  managed: Managed,
  waitsUntil: (node: string) => number,
  now: number,
): Pod[] {
  for (const pod of staying.filter(isTerminal)) {
    const { namespace, name } = pod.metadata;
    if (!isFailed(pod)) {
      const message = `Found succeeded daemon pod ${namespace}/${name} on node ${node}, will try to delete it`;
      managed.told.push({ do: "tell", type: "Normal", reason: "SucceededDaemonPod", message });
    } else if (waitsUntil(node) > now) {
      managed.wakes.push(waitsUntil(node));
      continue;
    } else {
      const message = `Found failed daemon pod ${namespace}/${name} on node ${node}, will try to kill it`;
      managed.told.push({ do: "tell", type: "Warning", reason: "FailedDaemonPod", message });
      managed.failedOn.push(node);
    }
    managed.deletes.push({ pod, because: "it has ended" });
  }
  return staying.filter((pod) => !isTerminal(pod));
}

function isFailed({ status }: Pod): boolean {
  return status?.phase === "Failed";
}

/** Beside a pod of the old template that serves there may be one of the new template that does not yet. */
function outdone(daemonSet: DaemonSet, running: readonly Pod[], hash: string, now: number): Pod[] {
  const isNew = ({ metadata }: Pod) => metadata.labels?.[HASH] === hash;
  const newer = running.find(isNew);
  const older = running.find((pod) => !isNew(pod));
  const surplus = running.filter((pod) => pod !== newer && pod !== older);
  if (newer === undefined || older === undefined) return surplus;
  const isOver = !isReady(older) || isAvailable(newer, daemonSet.spec.minReadySeconds ?? 0, now);
  return isOver ? [...surplus, older] : surplus;
}

function outlook(
  daemonSet: DaemonSet,
  sites: readonly Site[],
  hash: string,
  now: number,
): { status: DaemonSetPlan["status"]; availableAt: number[] } {
  const minReadySeconds = daemonSet.spec.minReadySeconds ?? 0;
  const wanted = sites.filter(({ runs }) => runs);
  const first = wanted.flatMap(({ pods }) => pods.slice(0, 1));
  const ready = first.filter(isReady);
  const available = ready.filter((pod) => isAvailable(pod, minReadySeconds, now)).length;
  const updated = first.filter((pod) => isCurrent(pod, daemonSet, hash)).length;
  const unavailable = wanted.length - available;
  const { generation } = daemonSet.metadata;
  const { collisionCount, conditions } = daemonSet.status ?? {};
  return {
    status: {
      currentNumberScheduled: first.length,
      numberMisscheduled: sites.filter(({ runs, pods }) => !runs && pods.length > 0).length,
      desiredNumberScheduled: wanted.length,
      numberReady: ready.length,
      ...(generation !== undefined && { observedGeneration: generation }),
      ...(updated > 0 && { updatedNumberScheduled: updated }),
      ...(available > 0 && { numberAvailable: available }),
      ...(unavailable > 0 && { numberUnavailable: unavailable }),
      ...(collisionCount !== undefined && { collisionCount }),
      ...(conditions !== undefined && { conditions }),
    },
    // Also those of pods that stand behind others: a successor's moment counts.
    availableAt: sites.flatMap(({ pods }) => pods).filter(isReady)
      .map((pod) => readySince(pod) + minReadySeconds * 1000).filter((at) => at > now),
  };
}
