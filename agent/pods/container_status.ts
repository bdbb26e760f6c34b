/** What the API says of one container of a pod (core/v1 ContainerStatus). Pure. */
import {
  type Container,
  type ContainerState,
  type ContainerStatus,
  formatTime,
  type VolumeMountStatus,
} from "@k3ts/model/objects";
import { hasEnded, isRunning, isSidecar, latestAttempt } from "./container_rules.ts";
import type { ContainerKind, ObservedContainer, ObservedPod } from "./observed.ts";
import type { DesiredPod } from "./plan.ts";
import type { Waiting } from "./status.ts";

export interface View {
  desired: DesiredPod;
  observed: ObservedPod;
  /** By container. */
  waiting: ReadonlyMap<string, Waiting>;
}

/** @param creating the reason of one that nothing is known of yet */
export function containerStatus(
  view: View,
  kind: ContainerKind,
  container: Container,
  creating: string,
): ContainerStatus {
  const { observed, waiting, desired } = view;
  const latest = latestAttempt(observed.containers, container.name);
  const known = knownBefore(desired, kind, container.name);
  // Its records are gone with a pod that has ended: what was last said of it stays true.
  if (latest === undefined && known?.state?.terminated !== undefined) return known;
  const before = latest === undefined
    ? undefined
    : observed.containers.find((one) => one.container === container.name && one.attempt === latest.attempt - 1);
  const waits = waiting.get(container.name);
  // A container that waits to be started again shows its last end as the last state.
  const state = waits !== undefined && !isRunning(latest)
    ? { waiting: { reason: waits.reason, ...(waits.message !== undefined && { message: waits.message }) } }
    : latest === undefined || latest.postStart === "running"
    ? { waiting: { reason: creating } }
    : stateOf(latest, creating);
  const last = state.waiting !== undefined && hasEnded(latest) ? latest : before;
  const { started, ready } = wellBeing(view, kind, container, latest);
  const resources = container.resources;
  return {
    name: container.name,
    image: container.image ?? "",
    imageID: latest?.imageDigest ?? latest?.imageId ?? "",
    ...(latest !== undefined && { containerID: `k3ts://${latest.id}` }),
    ready,
    started,
    restartCount: latest?.attempt ?? known?.restartCount ?? 0,
    state,
    lastState: last === undefined || !hasEnded(last) ? known?.lastState ?? {} : stateOf(last, creating),
    ...(resources?.requests !== undefined && { allocatedResources: resources.requests }),
    ...(resources !== undefined && { resources }),
    ...(container.volumeMounts !== undefined && { volumeMounts: container.volumeMounts.map(mountStatus) }),
    ...userOf(latest, known),
  };
}

function knownBefore({ pod }: DesiredPod, kind: ContainerKind, name: string): ContainerStatus | undefined {
  const statuses = kind === "init" ? pod.status?.initContainerStatuses : pod.status?.containerStatuses;
  return statuses?.find((one) => one.name === name);
}

function wellBeing(
  { observed }: View,
  kind: ContainerKind,
  container: Container,
  latest: ObservedContainer | undefined,
): { started: boolean; ready: boolean } {
  const running = isRunning(latest) && latest.postStart === undefined;
  const probe = latest === undefined ? undefined : observed.probes.get(latest.id);
  const started = running && (probe?.started ?? container.startupProbe === undefined);
  // An init container is ready when it is done; all others when they run and their probe says so.
  const ready = kind === "init" && !isSidecar(container)
    ? hasEnded(latest) && latest.exit?.code === 0
    : running && started && (probe?.ready ?? container.readinessProbe === undefined);
  return { started, ready };
}

function stateOf(container: ObservedContainer, creating: string): ContainerState {
  if (container.state === "running") {
    return { running: { startedAt: formatTime(container.startedAt ?? container.createdAt) } };
  }
  if (container.state === "created") return { waiting: { reason: creating } };
  const exit = container.exit ?? { code: 137, signal: 0, oomKilled: false, finishedAt: container.createdAt };
  return {
    terminated: {
      exitCode: exit.code,
      ...(exit.signal !== 0 && { signal: exit.signal }),
      reason: exit.oomKilled
        ? "OOMKilled"
        : exit.isUnknown === true
        ? "ContainerStatusUnknown"
        : exit.code === 0
        ? "Completed"
        : "Error",
      ...(exit.message !== undefined && exit.message !== "" && { message: exit.message }),
      startedAt: formatTime(container.startedAt ?? container.createdAt),
      finishedAt: formatTime(exit.finishedAt),
      containerID: `k3ts://${container.id}`,
    },
  };
}

/** KEP-3619: who it runs as. A restarted agent goes on with what was said before. */
function userOf(
  latest: ObservedContainer | undefined,
  known: ContainerStatus | undefined,
): Pick<ContainerStatus, "user"> {
  if (latest === undefined) return {};
  if (latest.user !== undefined) {
    const { uid, gid, groups } = latest.user;
    return { user: { linux: { uid, gid, supplementalGroups: groups } } };
  }
  const same = known?.containerID === `k3ts://${latest.id}`;
  return same && known.user !== undefined ? { user: known.user } : {};
}

/** KEP-3857: whether what is mounted below a read-only mount is read-only too. */
function mountStatus(
  mount: NonNullable<Container["volumeMounts"]>[number],
): VolumeMountStatus {
  const { name, mountPath, readOnly, recursiveReadOnly } = mount;
  if (readOnly !== true) return { name, mountPath };
  const recursive = recursiveReadOnly === "Enabled" || recursiveReadOnly === "IfPossible";
  return { name, mountPath, readOnly, recursiveReadOnly: recursive ? "Enabled" : "Disabled" };
}
