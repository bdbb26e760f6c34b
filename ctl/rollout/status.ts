/** How far a rollout has come, as its object says. Pure. */
import { type DaemonSet, type Deployment, findCondition, type StatefulSet } from "@k3ts/model/objects";

export interface Progress {
  /** A line for a person. */
  message: string;
  isDone: boolean;
}

/** The controller has given up, or has nothing to tell. */
export class RolloutError extends Error {
  override name = "RolloutError";
}

/** @throws {RolloutError} when it has exceeded its deadline */
export function deploymentProgress({ metadata, spec, status = {} }: Deployment): Progress {
  const name = `deployment "${metadata.name}"`;
  if (!isObserved(metadata, status)) return waiting(`Waiting for ${name} spec update to be observed...`);
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status;
  if (findCondition(status.conditions, "Progressing")?.reason === "ProgressDeadlineExceeded") {
    throw new RolloutError(`${name} exceeded its progress deadline`);
  }
  const rollout = `Waiting for ${name} rollout to finish:`;
  const wanted = spec?.replicas ?? 1;
  if (updatedReplicas < wanted) {
    return waiting(`${rollout} ${updatedReplicas} out of ${wanted} new replicas have been updated...`);
  }
  if (replicas > updatedReplicas) {
    return waiting(`${rollout} ${replicas - updatedReplicas} old replicas are pending termination...`);
  }
  if (availableReplicas < updatedReplicas) {
    return waiting(`${rollout} ${availableReplicas} of ${updatedReplicas} updated replicas are available...`);
  }
  return { message: `${name} successfully rolled out`, isDone: true };
}

/** @throws {RolloutError} when nobody rolls it out */
export function daemonSetProgress({ metadata, spec, status }: DaemonSet): Progress {
  const name = `daemon set "${metadata.name}"`;
  refuseOnDelete(spec?.updateStrategy?.type);
  if (!isObserved(metadata, status)) return waiting(`Waiting for ${name} spec update to be observed...`);
  const { desiredNumberScheduled = 0, updatedNumberScheduled = 0, numberAvailable = 0 } = status ?? {};
  const rollout = `Waiting for ${name} rollout to finish:`;
  if (updatedNumberScheduled < desiredNumberScheduled) {
    return waiting(
      `${rollout} ${updatedNumberScheduled} out of ${desiredNumberScheduled} new pods have been updated...`,
    );
  }
  if (numberAvailable < desiredNumberScheduled) {
    return waiting(`${rollout} ${numberAvailable} of ${desiredNumberScheduled} updated pods are available...`);
  }
  return { message: `${name} successfully rolled out`, isDone: true };
}

/** @throws {RolloutError} when nobody rolls it out */
export function statefulSetProgress({ metadata, spec, status }: StatefulSet): Progress {
  const name = `stateful set "${metadata.name}"`;
  refuseOnDelete(spec?.updateStrategy?.type);
  if (!isObserved(metadata, status)) return waiting(`Waiting for ${name} spec update to be observed...`);
  const { readyReplicas = 0, updatedReplicas = 0, updateRevision, currentRevision } = status ?? {};
  const wanted = spec?.replicas ?? 1;
  if (readyReplicas < wanted) return waiting(`Waiting for ${wanted - readyReplicas} pods to be ready...`);
  const partition = spec?.updateStrategy?.rollingUpdate?.partition ?? 0;
  if (partition > 0) {
    const toUpdate = wanted - partition;
    if (updatedReplicas < toUpdate) {
      return waiting(
        `Waiting for partitioned roll out to finish: ${updatedReplicas} out of ${toUpdate} new pods have been updated...`,
      );
    }
    return { message: `partitioned roll out complete: ${updatedReplicas} new pods have been updated...`, isDone: true };
  }
  if (updateRevision !== currentRevision) {
    return waiting(`Waiting for ${name} to finish its rolling update: ${updatedReplicas} pods at ${updateRevision}...`);
  }
  return { message: `${name} rolling update complete: ${updatedReplicas} pods at ${currentRevision}`, isDone: true };
}

function waiting(message: string): Progress {
  return { message, isDone: false };
}

function isObserved(
  { generation = 0 }: { generation?: number },
  status: { observedGeneration?: number } = {},
): boolean {
  return (status.observedGeneration ?? 0) >= generation;
}

function refuseOnDelete(strategy: string | undefined): void {
  if (strategy === "OnDelete") {
    throw new RolloutError("its pods are replaced only when somebody deletes them: its update strategy is OnDelete");
  }
}
