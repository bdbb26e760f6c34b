/** Brings a pod up and keeps it up: sandbox, volumes, images, init containers, containers, restarts. Pure. */
import type { Container } from "@k3ts/model/objects";
import { nextBackoffMs } from "./backoff.ts";
import { exitCodeOf, hasEnded, isRunning, isSidecar, pullPolicyOf, restarts } from "./container_rules.ts";
import type { Draft } from "./draft.ts";
import type { ContainerKind, ObservedContainer } from "./observed.ts";
import { graceOf, stop } from "./plan_end.ts";

/** In order: sandbox and volumes and images, init containers, containers. */
export function planRun(plan: Draft): void {
  const { observed, pod } = plan;
  if (observed.sandbox === undefined) {
    // What still runs lives in namespaces that nothing new can join.
    for (const one of observed.containers.filter(isRunning)) {
      stop(plan, one, { graceSeconds: 0, because: "Pod sandbox changed, it will be killed and re-created." });
    }
    if (plan.actions.length > 0) return;
    if (plan.heldBack("sandbox") === undefined) plan.actions.push({ do: "createSandbox" });
  }
  const old = observed.volumesRefreshAt !== undefined && observed.volumesRefreshAt <= plan.now.monotonic;
  planVolumeImages(plan);
  if (!observed.referencesKnown || !volumeImagesReady(plan)) {
    // The worker is told when the answers, or the images, come.
  } else if ((observed.volumes !== "mounted" || old) && plan.heldBack("volumes") === undefined) {
    plan.actions.push({ do: "mountVolumes" });
  } else if (observed.volumesRefreshAt !== undefined) plan.at(observed.volumesRefreshAt);
  const initialized = planInits(plan);
  let held = !initialized;
  for (const container of pod.spec?.containers ?? []) {
    const latest = plan.latest(container.name);
    // While what comes first is made, the images that come next are fetched.
    if (held && !isRunning(latest)) ensureImage(plan, container, latest);
    else planContainer(plan, "app", container, latest);
    // One whose postStart hook runs is not up yet: those after it wait for it.
    if (latest?.postStart === "running") held = true;
  }
  dropOldAttempts(plan);
}

/** True when the containers may start. */
function planInits(plan: Draft): boolean {
  const { observed, pod } = plan;
  const inits = pod.spec?.initContainers ?? [];
  const since = observed.sandbox?.createdAt ?? Infinity;
  // Init containers are done when a container of this sandbox has started: their records may be gone.
  const begun = (pod.spec?.containers ?? []).some((one) => (plan.latest(one.name)?.createdAt ?? -1) >= since);
  for (const container of inits) {
    const latest = plan.latest(container.name);
    const counts = latest !== undefined && latest.createdAt >= since;
    if (isSidecar(container)) {
      planContainer(plan, "init", container, latest);
      const up = counts && isRunning(latest) && latest.postStart !== "running" &&
        (observed.probes.get(latest.id)?.started ?? container.startupProbe === undefined);
      if (!up && !begun) return false;
      continue;
    }
    if (begun || (counts && hasEnded(latest) && exitCodeOf(latest) === 0)) continue;
    planContainer(plan, "init", container, counts ? latest : undefined);
    return false;
  }
  return observed.sandbox !== undefined || inits.length === 0;
}

/** Starts, restarts or stops one container. `counted` is its newest attempt as far as it counts. */
function planContainer(
  plan: Draft,
  kind: ContainerKind,
  container: Container,
  counted: ObservedContainer | undefined,
): void {
  const { observed, pod } = plan;
  if (counted?.state === "created") {
    const held = plan.heldBack(container.name);
    if (held !== undefined) plan.waiting.set(container.name, held);
    else plan.actions.push({ do: "resume", id: counted.id });
    return;
  }
  if (isRunning(counted)) return keep(plan, kind, container, counted);
  if (hasEnded(counted) && !restarts(pod, kind, container, exitCodeOf(counted))) {
    if (counted.state === "exited" && plan.heldBack(container.name) === undefined) {
      plan.actions.push({ do: "retire", id: counted.id });
    }
    return;
  }
  const attempt = (plan.latest(container.name)?.attempt ?? -1) + 1;
  const backoffMs = counted === undefined ? undefined : nextBackoffMs(counted);
  if (backoffMs !== undefined && backsOff(plan, container, counted!, backoffMs)) return;
  const imageReady = ensureImage(plan, container, counted);
  const held = plan.heldBack(container.name);
  // Also while it is tried again: what went wrong is what it waits for until it goes well.
  const failure = observed.failures.get(container.name);
  if (failure !== undefined && imageReady) plan.waiting.set(container.name, failure);
  if (!imageReady || held !== undefined || observed.sandbox === undefined) return;
  if (!observed.referencesKnown || observed.volumes !== "mounted" || !volumeImagesReady(plan)) return;
  plan.actions.push({
    do: "start",
    container: container.name,
    kind,
    attempt,
    ...(backoffMs !== undefined && { backoffMs }),
    ...(counted !== undefined && counted.image !== container.image && { replaces: true as const }),
  });
}

/** Stops a running container that is not well, or no longer what is wanted. */
function keep(plan: Draft, kind: ContainerKind, container: Container, one: ObservedContainer): void {
  const { observed, pod } = plan;
  const probe = observed.probes.get(one.id);
  const comesBack = restarts(pod, kind, container, 137) ? ", will be restarted" : "";
  const name = `Container ${container.name}`;
  if (one.postStart === "failed") {
    return stop(plan, one, { graceSeconds: graceOf(plan), because: "FailedPostStartHook" });
  }
  if (probe?.failed !== undefined) {
    const how = probe.failed === "Liveness" ? container.livenessProbe : container.startupProbe;
    const graceSeconds = how?.terminationGracePeriodSeconds ?? graceOf(plan);
    return stop(plan, one, {
      graceSeconds,
      because: `${name} failed ${probe.failed.toLowerCase()} probe${comesBack}`,
    });
  }
  if (one.stoppingSince !== undefined || one.image !== container.image) {
    stop(plan, one, { graceSeconds: graceOf(plan), because: `${name} definition changed, will be restarted` });
  }
}

/** True while it is too early to start it again. */
function backsOff(plan: Draft, container: Container, ended: ObservedContainer, backoffMs: number): boolean {
  const { metadata } = plan.pod;
  const at = (ended.endedAt ?? -Infinity) + backoffMs;
  if (at <= plan.now.monotonic) return false;
  plan.at(at);
  const pod = `${metadata.name}_${metadata.namespace ?? "default"}(${metadata.uid})`;
  plan.waiting.set(container.name, {
    reason: "CrashLoopBackOff",
    message: `back-off ${describe(backoffMs)} restarting failed container=${container.name} pod=${pod}`,
  });
  plan.notice({
    key: `BackOff ${ended.id}`,
    type: "Warning",
    reason: "BackOff",
    message: `Back-off restarting failed container ${container.name} in pod ${pod}`,
    container: container.name,
  });
  return true;
}

/** True when the image is there; else sees to it and says what the container waits for. */
function ensureImage(plan: Draft, container: Container, latest: ObservedContainer | undefined): boolean {
  const reference = container.image ?? "";
  const waits = seeToImage(plan, reference, pullPolicyOf(container), isRunning(latest), container.name);
  if (waits === undefined) return true;
  if (waits.reason !== "") plan.waiting.set(container.name, waits);
  return false;
}

/** Why an image is not there, with an empty reason while it is being fetched; undefined when it is. */
function seeToImage(
  plan: Draft,
  reference: string,
  policy: ReturnType<typeof pullPolicyOf>,
  isInUse: boolean,
  container?: string,
): { reason: string; message: string } | undefined {
  const image = plan.observed.images.get(reference) ?? { state: "absent" };
  const about = container === undefined ? {} : { container };
  if (image.state === "present") return undefined;
  if (image.state === "failed") {
    const { failure } = image;
    if (failure.turnsAt !== undefined && failure.turnsAt > plan.now.monotonic) plan.at(failure.turnsAt);
    else if (failure.retryAt > plan.now.monotonic) plan.at(failure.retryAt);
    tellOfImage(plan, reference, failure, container);
    if (failure.retryAt > plan.now.monotonic) return failure;
  }
  if (image.state === "pulling") return image.failure ?? { reason: "", message: "" };
  if (policy === "Never") {
    const failure = {
      reason: "ErrImageNeverPull",
      message: `Container image "${reference}" is not present with pull policy of Never`,
    };
    tellOfImage(plan, reference, failure, container);
    return failure;
  }
  if (!isInUse && !plan.actions.some((one) => one.do === "pull" && one.image === reference)) {
    plan.actions.push({ do: "pull", image: reference, ...about });
  }
  return image.state === "failed" ? image.failure : { reason: "", message: "" };
}

/** In the words that users of the kubelet look for. */
function tellOfImage(
  plan: Draft,
  reference: string,
  failure: { reason: string; message: string; tries?: number },
  container: string | undefined,
): void {
  const key = `${failure.reason} ${reference} ${container ?? ""} ${failure.tries ?? 0}`;
  const about = container === undefined ? {} : { container };
  if (failure.reason === "ImagePullBackOff") {
    plan.notice({ key, type: "Normal", reason: "BackOff", message: `Back-off pulling image "${reference}"`, ...about });
  } else if (failure.reason === "ErrImageNeverPull") {
    plan.notice({ key, type: "Warning", reason: failure.reason, message: failure.message, ...about });
  } else if (failure.reason === "InvalidImageName") {
    plan.notice({ key, type: "Warning", reason: "InspectFailed", message: failure.message, ...about });
  }
  plan.notice({
    key: `Error ${key}`,
    type: "Warning",
    reason: "Failed",
    message: `Error: ${failure.reason}`,
    ...about,
  });
}

/** Images that are mounted as volumes are fetched as those of containers are (KEP-4639). */
function planVolumeImages(plan: Draft): void {
  for (const { image } of plan.pod.spec?.volumes ?? []) {
    if (image?.reference === undefined || image.reference === "") continue;
    const policy = pullPolicyOf({
      image: image.reference,
      ...(image.pullPolicy !== undefined && { imagePullPolicy: image.pullPolicy }),
    });
    const waits = seeToImage(plan, image.reference, policy, plan.observed.containers.some(isRunning));
    if (waits === undefined || waits.reason === "") continue;
    for (const { name } of plan.pod.spec?.containers ?? []) plan.waiting.set(name, waits);
  }
}

function volumeImagesReady({ pod, observed }: Draft): boolean {
  return (pod.spec?.volumes ?? []).every(({ image }) =>
    image?.reference === undefined || image.reference === "" ||
    observed.images.get(image.reference)?.state === "present"
  );
}

/** Of each container its newest attempt and the one before stay: what `lastState` and `logs --previous` need. */
function dropOldAttempts(plan: Draft): void {
  for (const one of plan.observed.containers) {
    const latest = plan.latest(one.container);
    if (latest === undefined || !hasEnded(one) || one.id === latest.id || plan.heldBack(one.container)) continue;
    if (one.attempt < latest.attempt - 1) plan.actions.push({ do: "remove", id: one.id });
    else if (one.state === "exited") plan.actions.push({ do: "retire", id: one.id });
  }
}

/** As Go writes durations: 10s, 1m20s, 5m0s. */
function describe(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
