/** Does on this node what the plans of pods say, and tells what it is like. */
import { isConflict, isNotFound } from "@k3ts/client";
import type { Container, Pod } from "@k3ts/model/objects";
import { explain } from "../log.ts";
import { exists, removeIfThere, writeAtomically } from "../files.ts";
import { podPathsOf } from "../paths.ts";
import { runExec } from "../runtime/exec.ts";
import { containerNamed, removeContainer, retireContainer, startContainer, stopSignalOf } from "./container_maker.ts";
import type { NodeParts } from "./machine_parts.ts";
import { runHook } from "./hooks.ts";
import { containerId, type ObservedContainer, type ObservedPod, type ProbeResult } from "./observed.ts";
import type { ProbeTarget } from "./probe.ts";
import type { Action, DesiredPod, PodPlan } from "./plan.ts";
import { PodImages } from "./pod_images.ts";
import { createSandbox, readSandbox, removeSandbox, type Sandbox } from "./sandboxes.ts";
import type { Machine } from "./worker.ts";

const SIGTERM = 15;
const SIGKILL = 9;
/** A hook may take long, but not for ever. */
const POST_START_SECONDS_MAX = 600;

/** One pod's part of the machine. Remembers only what can be found again. */
export class PodMachine implements Machine {
  readonly #parts: NodeParts;
  readonly #images: PodImages;
  #sandbox: Sandbox | undefined | "unread" = "unread";
  #files: boolean | "unread" = "unread";
  #volumes: ObservedPod["volumes"] | "unread" = "unread";
  #volumesRefreshAt: number | undefined;
  /** Counts what has changed for the volumes. */
  #changes = 0;
  #leftServices = false;
  #forgotten = false;

  constructor(parts: NodeParts) {
    this.#parts = parts;
    this.#images = new PodImages(parts);
  }

  /** What the volumes show may have changed. */
  markVolumesStale(): void {
    this.#changes++;
    if (this.#volumes === "mounted") this.#volumes = "stale";
  }

  async observe({ pod }: DesiredPod): Promise<Omit<ObservedPod, "failures">> {
    const { uid } = pod.metadata;
    const paths = podPathsOf(this.#parts.paths, uid);
    await this.#parts.table.refresh();
    if (this.#sandbox === "unread") this.#sandbox = await readSandbox(this.#parts, uid);
    if (this.#files === "unread") this.#files = await exists(paths.directory);
    if (this.#volumes === "unread") {
      // What an agent before this one mounted is looked through again, so that it is current.
      const { targets } = await this.#parts.mounts.listMounts({ path: paths.volumes });
      this.#volumes = targets.length > 0 ? "stale" : "unmounted";
    }
    const containers = this.#parts.table.of(uid);
    const sandbox = this.#sandbox;
    this.#followProbes(pod, sandbox, containers);
    return {
      ...(sandbox !== undefined && {
        sandbox: { createdAt: sandbox.createdAt, ...(sandbox.address !== undefined && { address: sandbox.address }) },
      }),
      files: this.#files,
      referencesKnown: this.#parts.references.areKnown(pod),
      volumes: this.#volumes,
      ...(this.#volumesRefreshAt !== undefined && { volumesRefreshAt: this.#volumesRefreshAt }),
      containers,
      images: this.#images.states(pod),
      probes: this.#probeResults(containers),
      leftServices: this.#leftServices,
      forgotten: this.#forgotten,
    };
  }

  #probeResults(containers: readonly ObservedContainer[]): Map<string, ProbeResult> {
    const results = new Map<string, ProbeResult>();
    for (const { id } of containers) {
      const result = this.#parts.prober.result(id);
      if (result !== undefined) results.set(id, result);
    }
    return results;
  }

  /** Probes begin and end with the containers that they are about. */
  #followProbes(pod: Pod, sandbox: Sandbox | undefined, containers: readonly ObservedContainer[]): void {
    const { prober, events } = this.#parts;
    const { uid } = pod.metadata;
    for (const one of containers) {
      if (one.state !== "running" || one.stoppingSince !== undefined || pod.metadata.deletionTimestamp !== undefined) {
        prober.stop(one.id);
        continue;
      }
      const container = specOf(pod, one.container);
      if (container === undefined || sandbox === undefined) continue;
      const before = pod.status?.containerStatuses?.find((status) => status.containerID === `k3ts://${one.id}`);
      prober.start({
        id: one.id,
        ...this.#targetOf(container, one.id),
        startedAt: one.startedAt ?? one.createdAt,
        ...(before !== undefined && { before: { ready: before.ready, started: before.started ?? false } }),
        changed: () => this.#parts.poke(uid),
        failed: (kind, message) =>
          events.tell(pod, "Warning", "Unhealthy", `${kind} probe failed: ${message}`, container.name),
      });
    }
  }

  async perform(action: Action, desired: DesiredPod, plan: PodPlan): Promise<void> {
    const { pod } = desired;
    const { uid } = pod.metadata;
    const parts = this.#parts;
    switch (action.do) {
      case "createSandbox":
        await this.#makeFiles(desired);
        this.#sandbox = await createSandbox(parts, pod);
        // The pod's name in DNS, and its hosts file, are known now.
        parts.network.changed();
        return;
      case "removeSandbox":
        await removeSandbox(parts, uid);
        this.#sandbox = undefined;
        return;
      case "mountVolumes":
        await this.#makeFiles(desired);
        return await this.#mountVolumes(pod);
      case "unmountVolumes":
        await parts.volumes.release(podPathsOf(parts.paths, uid));
        this.#volumes = "unmounted";
        this.#volumesRefreshAt = undefined;
        return;
      case "pull":
        return this.#images.pull(pod, action.image);
      case "start":
        return await this.#start(pod, action);
      case "resume":
        await parts.runtime.startContainer({ id: action.id });
        return;
      case "signal":
        return await this.#signal(pod, action);
      case "retire":
        return await retireContainer(parts, action.id);
      case "remove": {
        const record = parts.table.of(uid).find((one) => one.id === action.id);
        if (record !== undefined) await removeContainer(parts, record);
        return;
      }
      case "leaveServices":
        if (this.#sandbox !== "unread" && this.#sandbox?.address !== undefined) {
          await parts.network.leave(this.#sandbox.address);
        }
        this.#leftServices = true;
        return;
      case "forget":
        return await this.#forget(pod, plan);
      case "removeFiles":
        for (const record of parts.table.of(uid)) await removeContainer(parts, record);
        await removeIfThere(podPathsOf(parts.paths, uid).directory, { recursive: true });
        this.#files = false;
        return;
    }
  }

  /** What is needed to end the pod when the server no longer has it. */
  async #makeFiles({ pod, seenAt }: DesiredPod): Promise<void> {
    if (this.#files === true) return;
    const paths = podPathsOf(this.#parts.paths, pod.metadata.uid);
    await Deno.mkdir(paths.directory, { recursive: true, mode: 0o755 });
    await writeAtomically(paths.record, JSON.stringify({ version: 1, seenAt, pod }), { sync: false });
    this.#files = true;
  }

  async #mountVolumes(pod: Pod): Promise<void> {
    const { volumes, references, node, now } = this.#parts;
    const paths = podPathsOf(this.#parts.paths, pod.metadata.uid);
    const changes = this.#changes;
    const sandbox = this.#sandbox === "unread" ? undefined : this.#sandbox;
    const input = {
      pod,
      references,
      node,
      hostAddress: node.address,
      ...(sandbox?.address !== undefined && { podAddress: sandbox.address }),
    };
    const { refreshAt } = await volumes.ensure(pod, paths, input, now());
    this.#volumesRefreshAt = refreshAt;
    // What has changed while this ran is not in it.
    this.#volumes = changes === this.#changes ? "mounted" : "stale";
  }

  async #start(pod: Pod, action: Extract<Action, { do: "start" }>): Promise<void> {
    const { images, events } = this.#parts;
    const container = containerNamed(pod, action.container);
    const image = images.find(container.image ?? "");
    if (image === undefined || this.#sandbox === undefined || this.#sandbox === "unread") {
      throw new Error(
        `Cannot start container "${container.name}" as its image and sandbox must be there: one has gone`,
      );
    }
    await startContainer(this.#parts, pod, {
      container,
      kind: action.kind,
      attempt: action.attempt,
      ...(action.backoffMs !== undefined && { backoffMs: action.backoffMs }),
      image,
      sandbox: this.#sandbox,
    });
    this.#images.used(container.image ?? "");
    events.tell(pod, "Normal", "Started", `Started container ${container.name}`, container.name);
    const id = containerId(pod.metadata.uid, container.name, action.attempt);
    if (container.lifecycle?.postStart !== undefined) await this.#afterStart(pod, container, id);
  }

  /** A container whose hook fails is killed, and then treated as any that ends. */
  async #afterStart(pod: Pod, container: Container, id: string): Promise<void> {
    const { events, runtime } = this.#parts;
    try {
      await runHook(container.lifecycle!.postStart!, this.#targetOf(container, id), POST_START_SECONDS_MAX);
    } catch (error) {
      events.tell(pod, "Warning", "FailedPostStartHook", explain(error), container.name);
      await runtime.signalContainer({ id, signal: SIGKILL, all: true });
    }
  }

  /** The grace period has begun: the hook has what is left of it. */
  async #beforeStop(pod: Pod, one: ObservedContainer): Promise<void> {
    const container = specOf(pod, one.container);
    if (container?.lifecycle?.preStop === undefined) return;
    const grace = pod.metadata.deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30;
    try {
      await runHook(container.lifecycle.preStop, this.#targetOf(container, one.id), grace);
    } catch (error) {
      this.#parts.events.tell(pod, "Warning", "FailedPreStopHook", explain(error), container.name);
    }
  }

  /** What probes and hooks of a container are about. */
  #targetOf(container: Container, id: string): ProbeTarget {
    const { runtime, table, node } = this.#parts;
    const address = this.#sandbox === "unread" ? undefined : this.#sandbox?.address;
    return {
      container,
      address: address ?? node.address,
      exec: (command, signal) => runExec(runtime, table.directoryOf(id), id, command, signal),
    };
  }

  async #signal(pod: Pod, action: Extract<Action, { do: "signal" }>): Promise<void> {
    const { table, runtime, images, events, now } = this.#parts;
    const one = table.of(pod.metadata.uid).find((each) => each.id === action.id);
    if (one === undefined) return;
    const image = images.index.find(one.imageId);
    const signal = action.signal === SIGTERM ? stopSignalOf(image) : action.signal;
    if (one.stoppingSince === undefined) {
      events.tell(pod, "Normal", "Killing", `Stopping container ${one.container}: ${action.because}`, one.container);
    }
    // First noted, so that the grace begins once, however often the agent does.
    await table.markStopping(action.id, now());
    if (signal === SIGKILL) table.markKilled(action.id, now());
    else await this.#beforeStop(pod, one);
    await runtime.signalContainer({ id: action.id, signal, all: signal === SIGKILL });
  }

  /** The last status, then the object itself, if it is still this one. */
  async #forget(pod: Pod, plan: PodPlan): Promise<void> {
    const { name, namespace, uid } = pod.metadata;
    await this.#parts.outbox.send(pod, plan.status);
    try {
      await this.#parts.pods.delete(name, { namespace, gracePeriodSeconds: 0, preconditions: { uid } });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    this.#forgotten = true;
  }

  report({ pod }: DesiredPod, plan: PodPlan): void {
    if (!this.#forgotten) this.#parts.outbox.put(pod, plan.status);
  }

  warn({ pod }: DesiredPod, reason: string, message: string): void {
    this.#parts.events.tell(pod, "Warning", reason, message);
  }
}

function specOf(pod: Pod, name: string): Container | undefined {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])].find((one) => one.name === name);
}
