/** What the status of a Deployment says (docs: "Deployment status"; `kubectl rollout status` reads it). */
import { type Deployment, type DeploymentCondition, formatTime, type ReplicaSet } from "@k3ts/model/objects";
import { limits } from "./limits.ts";

type Status = NonNullable<Deployment["status"]>;
type Verdict = Pick<DeploymentCondition, "type" | "status" | "reason" | "message">;

const FAILURE = "ReplicaFailure";

interface Counts {
  replicas: number;
  updatedReplicas: number;
  readyReplicas: number;
  availableReplicas: number;
  unavailableReplicas: number;
}

/** @param now ms since the epoch */
export function deploymentStatus(
  deployment: Deployment,
  owned: readonly ReplicaSet[],
  current: ReplicaSet | undefined,
  now: number,
): { status: Status; reconsiderAt?: number } {
  const sum = (of: (status: NonNullable<ReplicaSet["status"]>) => number | undefined) =>
    owned.reduce((total, set) => total + (set.status === undefined ? 0 : of(set.status) ?? 0), 0);
  const replicas = sum((status) => status.replicas);
  const available = sum((status) => status.availableReplicas);
  const counts: Counts = {
    replicas,
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum((status) => status.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, owned.reduce((total, set) => total + (set.spec?.replicas ?? 0), 0) - available),
  };
  const progress = progressing(deployment, counts, current, now);
  const failure = failureOf(current === undefined ? owned : [current, ...owned]);
  const verdicts = [
    availability(deployment, available),
    ...(progress === undefined ? [] : [progress.verdict]),
    ...(failure === undefined ? [] : [failure]),
  ];
  const known = (deployment.status?.conditions ?? []).filter(({ type }) =>
    (type !== FAILURE || failure !== undefined) && (type !== "Progressing" || progress !== undefined)
  );
  const terminating = terminatingOf(owned);
  const nonzero = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  return {
    status: {
      ...(deployment.metadata.generation !== undefined && { observedGeneration: deployment.metadata.generation }),
      ...nonzero,
      ...(terminating !== undefined && { terminatingReplicas: terminating }),
      conditions: mergeConditions(known, verdicts, progress?.advanced ?? false, now),
      ...(deployment.status?.collisionCount && { collisionCount: deployment.status.collisionCount }),
    },
    ...(progress?.deadline !== undefined && { reconsiderAt: progress.deadline }),
  };
}

/** Pods on their way out; unknown while one of the sets that have been looked at does not say. */
function terminatingOf(owned: readonly ReplicaSet[]): number | undefined {
  let total = 0;
  for (const { status } of owned) {
    if (status?.terminatingReplicas === undefined && status?.observedGeneration !== undefined) return undefined;
    total += status?.terminatingReplicas ?? 0;
  }
  return total;
}

/** That a ReplicaSet cannot make its pods is said of the Deployment too. */
function failureOf(owned: readonly ReplicaSet[]): Verdict | undefined {
  for (const set of owned) {
    const found = set.status?.conditions?.find(({ type, status }) => type === FAILURE && status === "True");
    if (found !== undefined) {
      return { type: FAILURE, status: "True", reason: found.reason ?? "FailedCreate", message: found.message ?? "" };
    }
  }
  return undefined;
}

function availability(deployment: Deployment, available: number): Verdict {
  const wanted = deployment.spec?.replicas ?? 1;
  return available >= wanted - limits(deployment).unavailable
    ? {
      type: "Available",
      status: "True",
      reason: "MinimumReplicasAvailable",
      message: "Deployment has minimum availability.",
    }
    : {
      type: "Available",
      status: "False",
      reason: "MinimumReplicasUnavailable",
      message: "Deployment does not have minimum availability.",
    };
}

interface Progress {
  verdict: Verdict;
  /** Something moved since the last round, which starts the deadline anew. */
  advanced: boolean;
  /** When the rollout will have failed if nothing moves, in ms since the epoch. */
  deadline?: number;
}

/** @returns nothing where no deadline is wanted: then nothing is said of progress either */
function progressing(
  deployment: Deployment,
  counts: Counts,
  current: ReplicaSet | undefined,
  now: number,
): Progress | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds ?? 600;
  if (seconds >= WITHOUT_DEADLINE) return undefined;
  const known = deployment.status?.conditions?.find(({ type }) => type === "Progressing");
  // That a rollout has failed stays said, until it moves again.
  const stays = known && { verdict: wordsOf(known), advanced: false };
  if (deployment.spec?.paused === true) {
    return known?.reason === TIMED_OUT ? stays : { verdict: PAUSED, advanced: false };
  }
  if (stays && known.reason === COMPLETE && current !== undefined && counts.replicas === counts.updatedReplicas) {
    return stays;
  }
  const name = current?.metadata.name ?? deployment.metadata.name;
  const wanted = deployment.spec?.replicas ?? 1;
  if (
    current !== undefined && counts.updatedReplicas === wanted && counts.replicas === wanted &&
    counts.availableReplicas >= wanted
  ) {
    return {
      verdict: holds(COMPLETE, `ReplicaSet "${name}" has successfully progressed.`),
      advanced: known?.reason !== COMPLETE,
    };
  }
  if (known === undefined || current === undefined) {
    const verdict = holds("NewReplicaSetCreated", `Created new replica set "${name}"`);
    return { verdict, advanced: true, deadline: now + seconds * 1000 };
  }
  if (known.reason === COMPLETE || hasMoved(deployment.status ?? {}, counts)) {
    const verdict = holds("ReplicaSetUpdated", `ReplicaSet "${name}" is progressing.`);
    return { verdict, advanced: true, deadline: now + seconds * 1000 };
  }
  if (known.reason === PAUSED.reason) return { verdict: RESUMED, advanced: true, deadline: now + seconds * 1000 };
  if (known.reason === TIMED_OUT) return stays;
  const deadline = Date.parse(known.lastUpdateTime ?? "") + seconds * 1000;
  if (now < deadline) return { ...stays!, deadline };
  const message = `ReplicaSet "${name}" has timed out progressing.`;
  return { verdict: { type: "Progressing", status: "False", reason: TIMED_OUT, message }, advanced: false };
}

const WITHOUT_DEADLINE = 2 ** 31 - 1;
const COMPLETE = "NewReplicaSetAvailable";
const TIMED_OUT = "ProgressDeadlineExceeded";
const PAUSED: Verdict = {
  type: "Progressing",
  status: "Unknown",
  reason: "DeploymentPaused",
  message: "Deployment is paused",
};
const RESUMED: Verdict = { ...PAUSED, reason: "DeploymentResumed", message: "Deployment is resumed" };

function holds(reason: string, message: string): Verdict {
  return { type: "Progressing", status: "True", reason, message };
}

function wordsOf({ type, status, reason, message }: DeploymentCondition): Verdict {
  return { type, status, reason, message };
}

/** New pods, or ready ones, or fewer old ones than the status tells of. */
function hasMoved(before: Partial<Counts>, counts: Counts): boolean {
  const old = ({ replicas = 0, updatedReplicas = 0 }: Partial<Counts>) => replicas - updatedReplicas;
  return counts.updatedReplicas > (before.updatedReplicas ?? 0) || old(counts) < old(before) ||
    counts.readyReplicas > (before.readyReplicas ?? 0) || counts.availableReplicas > (before.availableReplicas ?? 0);
}

/** Others' conditions stay; ours keep their times while they say the same. */
function mergeConditions(
  existing: readonly DeploymentCondition[],
  verdicts: readonly Verdict[],
  advanced: boolean,
  now: number,
): DeploymentCondition[] {
  const time = formatTime(now);
  const ours = verdicts.map((verdict): DeploymentCondition => {
    const before = existing.find(({ type }) => type === verdict.type);
    const same = before !== undefined && before.status === verdict.status;
    const untouched = same && before.reason === verdict.reason && before.message === verdict.message &&
      !(verdict.type === "Progressing" && advanced);
    return {
      ...verdict,
      lastUpdateTime: untouched ? before.lastUpdateTime : time,
      lastTransitionTime: same ? before.lastTransitionTime : time,
    };
  });
  return [...existing.filter(({ type }) => !verdicts.some((verdict) => verdict.type === type)), ...ours];
}
