/** What follows from a container's specification and its attempts: is it up, is it over, does it come back. Pure. */
import type { Container, Pod } from "@k3ts/model/objects";
import type { ContainerKind, ObservedContainer } from "./observed.ts";

export function latestAttempt(containers: readonly ObservedContainer[], name: string): ObservedContainer | undefined {
  let latest: ObservedContainer | undefined;
  for (const one of containers) {
    if (one.container === name && (latest === undefined || one.attempt > latest.attempt)) latest = one;
  }
  return latest;
}

export function isRunning(
  container: ObservedContainer | undefined,
): container is ObservedContainer & { state: "running" } {
  return container?.state === "running";
}

export function hasEnded(
  container: ObservedContainer | undefined,
): container is ObservedContainer & { state: "exited" | "retired" } {
  return container?.state === "exited" || container?.state === "retired";
}

/** An init container that stays (KEP-753). */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

/** All containers of a pod's specification, those that come first first. */
export function containersOf(pod: Pod): { kind: ContainerKind; container: Container }[] {
  return [
    ...(pod.spec?.initContainers ?? []).map((container) => ({ kind: "init" as const, container })),
    ...(pod.spec?.containers ?? []).map((container) => ({ kind: "app" as const, container })),
  ];
}

export function containerSpecOf(pod: Pod, name: string): Container | undefined {
  return containersOf(pod).find(({ container }) => container.name === name)?.container;
}

/** Whether a container that ended with that code is started again: its own rules and policy, then the pod's (KEP-5307). */
export function restarts(pod: Pod, kind: ContainerKind, container: Container, code: number): boolean {
  if (kind === "init" && isSidecar(container)) return true;
  // An init container that has done its work has done it.
  if (kind === "init" && code === 0) return false;
  const own = container.restartPolicy;
  if (own !== undefined && own !== "") {
    const rule = (container.restartPolicyRules ?? []).find(({ exitCodes }) => {
      const named = exitCodes?.values?.includes(code) ?? false;
      return exitCodes?.operator === "In" ? named : exitCodes?.operator === "NotIn" && !named;
    });
    if (rule?.action === "Restart") return true;
  }
  const policy = own === "Always" || own === "OnFailure" || own === "Never" ? own : pod.spec?.restartPolicy ?? "Always";
  return policy === "Always" || (policy === "OnFailure" && code !== 0);
}

/** The code of one that has ended; what is not known counts as killed. */
export function exitCodeOf(ended: ObservedContainer): number {
  return ended.exit?.code ?? 137;
}

/** Always for `:latest` and no tag, IfNotPresent for the rest (core/v1 Container.imagePullPolicy). */
export function pullPolicyOf(image: { image?: string; imagePullPolicy?: string }): "Always" | "IfNotPresent" | "Never" {
  const policy = image.imagePullPolicy;
  if (policy === "Always" || policy === "IfNotPresent" || policy === "Never") return policy;
  const reference = image.image ?? "";
  const tag = /:([^/@]+)$/.exec(reference)?.[1];
  return reference.includes("@") || (tag !== undefined && tag !== "latest") ? "IfNotPresent" : "Always";
}
