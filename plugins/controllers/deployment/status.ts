/** What the status of a Deployment says (docs: "Deployment status"; `kubectl rollout status` reads it). */
import { type Deployment, type DeploymentCondition, formatTime, type ReplicaSet } from "@k3ts/model/objects";
import { limits } from "./limits.ts";

type Status = NonNullable<Deployment["status"]>;
type Verdict = Pick<DeploymentCondition, "type" | "status" | "reason" | "message">;

const FAILURE = "ReplicaFailure";

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
  const counts = {
    replicas,
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sum((status) => status.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, owned.reduce((total, set) => total + (set.spec?.replicas ?? 0), 0) - available),
  };
  const progress = progressing(deployment, counts, current, now);
  const failure = failureOf(owned);
  const verdicts = [
    availability(deployment, available),
    ...(progress === undefined ? [] : [progress.verdict]),
    ...(failure === undefined ? [] : [failure]),
  ];
  const known = (deployment.status?.conditions ?? []).filter(({ type }) => type !== FAILURE || failure !== undefined);
  const nonzero = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
  return {
    status: {
      ...(deployment.metadata.generation !== undefined && { observedGeneration: deployment.metadata.generation }),
      ...nonzero,
      conditions: mergeConditions(known, verdicts, progress?.advanced ?? false, now),
      ...(deployment.status?.collisionCount && { collisionCount: deployment.status.collisionCount }),
    },
    ...(progress?.deadline !== undefined && { reconsiderAt: progress.deadline }),
  };
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

function progressing(
  deployment: Deployment,
  counts: Record<string, number>,
  current: ReplicaSet | undefined,
  now: number,
): Progress | undefined {
  const known = deployment.status?.conditions?.find(({ type }) => type === "Progressing");
  const name = current?.metadata.name ?? deployment.metadata.name;
  if (deployment.spec?.paused === true) {
    return {
      verdict: { type: "Progressing", status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" },
      advanced: false,
    };
  }
  const wanted = deployment.spec?.replicas ?? 1;
  const complete = current !== undefined && counts["updatedReplicas"] === wanted && counts["replicas"] === wanted &&
    counts["availableReplicas"]! >= wanted;
  if (complete) {
    return {
      verdict: {
        type: "Progressing",
        status: "True",
        reason: "NewReplicaSetAvailable",
        message: `ReplicaSet "${name}" has successfully progressed.`,
      },
      advanced: known?.reason !== "NewReplicaSetAvailable",
    };
  }
  // What was complete once stays so until another template is rolled out: a pod that fails later is no rollout.
  if (
    current !== undefined && known?.reason === "NewReplicaSetAvailable" &&
    counts["replicas"] === counts["updatedReplicas"]
  ) {
    const { type, status, reason, message } = known;
    return { verdict: { type: type, status, reason, message }, advanced: false };
  }
  const before = deployment.status ?? {};
  const oldReplicas = (status: Record<string, number | undefined>) =>
    (status["replicas"] ?? 0) - (status["updatedReplicas"] ?? 0);
  const advanced = known === undefined || known.reason === "NewReplicaSetAvailable" ||
    known.reason === "DeploymentPaused" ||
    counts["updatedReplicas"]! > (before.updatedReplicas ?? 0) ||
    oldReplicas(counts) < oldReplicas(before as Record<string, number | undefined>) ||
    counts["readyReplicas"]! > (before.readyReplicas ?? 0) ||
    counts["availableReplicas"]! > (before.availableReplicas ?? 0);
  const seconds = deployment.spec?.progressDeadlineSeconds ?? 600;
  const since = advanced ? now : Date.parse(known!.lastUpdateTime ?? "");
  const deadline = since + seconds * 1000;
  if (now >= deadline) {
    return {
      verdict: {
        type: "Progressing",
        status: "False",
        reason: "ProgressDeadlineExceeded",
        message: `ReplicaSet "${name}" has timed out progressing.`,
      },
      advanced: false,
    };
  }
  const created = current === undefined || known === undefined;
  const verdict: Verdict = advanced || known!.reason === "ProgressDeadlineExceeded"
    ? {
      type: "Progressing",
      status: "True",
      reason: created ? "NewReplicaSetCreated" : "ReplicaSetUpdated",
      message: created ? `Created new replica set "${name}"` : `ReplicaSet "${name}" is progressing.`,
    }
    : { type: "Progressing", status: known!.status, reason: known!.reason, message: known!.message };
  return { verdict, advanced, deadline };
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
