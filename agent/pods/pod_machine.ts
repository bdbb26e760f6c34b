/** Does on this node what the plans of pods say, and tells what it is like. */
import { isConflict, isNotFound } from "@k3ts/client";
import { explain } from "@k3ts/client/telemetry";
import {
  type Container,
  type LifecycleHandler,
  momentOf,
  monotonicOf,
  type MonotonicTime,
  type Pod,
} from "@k3ts/model/objects";
import { makeDirectory, removeTree, unmountBelow, writeWhole } from "../file_steps.ts";
import { isThere } from "../files.ts";
import { hostPortsOf } from "../network/service_ports.ts";
import { podPathsOf } from "../paths.ts";
import { runExec } from "../runtime/exec.ts";
import {
  beginContainer,
  containerNamed,
  removeContainer,
  retireContainer,
  startContainer,
  stopSignalOf,
} from "./container_maker.ts";
import { containerSpecOf } from "./container_rules.ts";
import type { NodeParts } from "./machine_parts.ts";
import { runHook } from "./hooks.ts";
import type { ObservedContainer, ObservedPod, ProbeResult } from "./observed.ts";
import type { ProbeTarget } from "./probe.ts";
import type { Action, DesiredPod, PodPlan } from "./plan.ts";
import { PodImages } from "./pod_images.ts";
import { createSandbox, isPinned, readSandbox, removeSandbox, type Sandbox } from "./sandboxes.ts";
import { podName } from "./text.ts";
import type { Machine } from "./worker.ts";

const SIGKILL = 9;
const NONE = { targets: [] };

/** One pod's part of the machine. Remembers only what can be found again. */
export class PodMachine implements Machine {
  readonly #parts: NodeParts;
  readonly #uid: string;
  readonly #images: PodImages;
  #sandbox: Sandbox | undefined | "unread" = "unread";
  #files: boolean | "unread" = "unread";
  /** What is needed to end the pod is on disk, or on its way there. */
  #recorded: Promise<void> | undefined;
  /** Nothing is left of it, by this process's own doing. */
  #sandboxIsGone = false;
  #volumes: ObservedPod["volumes"] | "unread" = "unread";
  #volumesRefreshAt: MonotonicTime | undefined;
  /** Counts what has changed for the volumes. */
  #changes = 0;
  #begunAt: MonotonicTime | undefined;
  #leftServices = false;
  #forgotten = false;
  #ran = false;
  #evicted: ObservedPod["evicted"];
  /** Keys of the notices that were given. */
  readonly #noticed = new Set<string>();

  constructor(parts: NodeParts, uid: string) {
    this.#parts = parts;
    this.#uid = uid;
    this.#images = new PodImages(parts);
  }

  /** Where the pod's own network is pinned, when it has one and it is whole. */
  get networkNamespace(): string | undefined {
    const sandbox = this.#sandbox;
    return sandbox === "unread" || sandbox?.address === undefined ? undefined : sandbox.namespaces.network;
  }

  /** What the volumes show may have changed. */
  markVolumesStale(): void {
    this.#changes++;
    if (this.#volumes === "mounted") this.#volumes = "stale";
  }

  async observe({ pod, seenAt }: DesiredPod): Promise<Omit<ObservedPod, "failures">> {
    const { uid } = pod.metadata;
    const paths = podPathsOf(this.#parts.paths, uid);
    const startTime = pod.status?.startTime;
    const begunAt = this.#begunAt ??= monotonicOf(
      startTime === undefined ? seenAt : Date.parse(startTime),
      momentOf(this.#parts.clock),
    );
    await this.#parts.table.refresh(uid);
    if (this.#files === "unread") this.#files = isThere(paths.directory) || isThere(paths.sandbox);
    if (this.#sandbox === "unread") this.#sandbox = this.#files ? await readSandbox(this.#parts, uid) : undefined;
    // Somebody may have unmounted them: nothing could ever join what is gone.
    if (this.#sandbox !== undefined && !isPinned(this.#sandbox)) this.#sandbox = undefined;
    if (this.#volumes === "unread") {
      // What an agent before this one mounted is looked through again, so that it is current.
      const { targets } = this.#files ? await this.#parts.mounts.listMounts({ path: paths.volumes }) : NONE;
      this.#volumes = targets.length > 0 ? "stale" : "unmounted";
    }
    const containers = this.#parts.table.of(uid);
    const sandbox = this.#sandbox;
    this.#followProbes(pod, sandbox, containers);
    return {
      begunAt,
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
      ...(this.#evicted !== undefined && { evicted: this.#evicted }),
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

  /** The node needs what the pod holds: it is ended at once, and has failed. */
  evict(why: NonNullable<ObservedPod["evicted"]>): void {
    this.#evicted ??= why;
    this.#parts.poke(this.#uid);
  }

  /** Probes begin and end with the containers that they are about. */
  #followProbes(pod: Pod, sandbox: Sandbox | undefined, containers: readonly ObservedContainer[]): void {
    const { prober, events } = this.#parts;
    const { uid } = pod.metadata;
    for (const one of containers) {
      if (one.state !== "running") {
        prober.stop(one.id);
        continue;
      }
      // Whether it still serves is of interest to its end.
      if (one.stoppingSince !== undefined || pod.metadata.deletionTimestamp !== undefined) prober.quieten(one.id);
      const container = containerSpecOf(pod, one.container);
      if (container === undefined || sandbox === undefined || one.postStart !== undefined) continue;
      // Init containers that are not sidecars have none.
      const known = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
      const before = known.find((status) => status.containerID === `k3ts://${one.id}`);
      prober.start({
        id: one.id,
        ...this.#targetOf(container, one.id),
        startedAt: one.startedAt ?? one.createdAt,
        ...(before !== undefined && { before: { ready: before.ready, started: before.started ?? false } }),
        changed: () => this.#parts.poke(uid),
        tell: (reason, message) => events.tell(pod, "Warning", reason, message, container.name),
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
        this.#sandboxIsGone = false;
        this.#sandbox = await createSandbox(parts, pod);
        parts.network.podChanged(hasHostPorts(pod));
        return;
      case "removeSandbox":
        await this.#removeSandbox(pod);
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
        return this.#images.pull(pod, action.image, action.container);
      case "start":
        return await this.#start(pod, action);
      case "resume":
        return await beginContainer(parts, uid, action.id);
      case "stop":
        return await this.#stop(pod, action);
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
        // What was begun and never became whole, or was of another boot.
        if (!this.#sandboxIsGone) await this.#removeSandbox(pod);
        await this.#removeFolder();
        return;
    }
  }

  async #removeSandbox(pod: Pod): Promise<void> {
    await removeSandbox(this.#parts, this.#uid);
    if (hasHostPorts(pod)) this.#parts.network.podChanged(true);
    this.#sandboxIsGone = true;
  }

  async #removeFolder(): Promise<void> {
    const { directory } = podPathsOf(this.#parts.paths, this.#uid);
    await this.#parts.mounts.changeFiles({ steps: [unmountBelow(directory), removeTree(directory)] });
    this.#recorded = undefined;
    this.#files = false;
  }

  /** What is needed to end the pod when the server no longer has it. */
  async #makeFiles({ pod, seenAt }: DesiredPod): Promise<void> {
    const { directory, record } = podPathsOf(this.#parts.paths, this.#uid);
    this.#files = true;
    this.#recorded ??= this.#parts.mounts.changeFiles({
      steps: [
        makeDirectory(directory, 0o755),
        writeWhole(record, JSON.stringify({ version: 1, seenAt, pod }), { sync: false }),
      ],
    }).then(() => {});
    try {
      await this.#recorded;
    } catch (error) {
      this.#recorded = undefined;
      throw error;
    }
  }

  async #mountVolumes(pod: Pod): Promise<void> {
    const { volumes, references, node, clock } = this.#parts;
    const paths = podPathsOf(this.#parts.paths, pod.metadata.uid);
    const changes = this.#changes;
    // One that fails may come after others that are mounted by then: they must be taken away in the end.
    if (this.#volumes === "unmounted") this.#volumes = "stale";
    const sandbox = this.#sandbox === "unread" ? undefined : this.#sandbox;
    const input = {
      pod,
      references,
      node,
      hostAddress: node.address,
      ...(sandbox?.address !== undefined && { podAddress: sandbox.address }),
    };
    const { refreshAt } = await volumes.ensure(pod, paths, input, momentOf(clock));
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
    this.#images.use(pod, container.image ?? "", container.name);
    const { id } = await startContainer(this.#parts, pod, {
      container,
      kind: action.kind,
      attempt: action.attempt,
      ...(action.backoffMs !== undefined && { backoffMs: action.backoffMs }),
      image,
      sandbox: this.#sandbox,
    });
    events.tell(pod, "Normal", "Started", "Container started", container.name);
    if (container.lifecycle?.postStart !== undefined) {
      this.#afterStart(pod, container, container.lifecycle.postStart, id);
    }
  }

  /** Runs beside the worker. A container whose hook fails is stopped, and then treated as any that ends. */
  #afterStart(pod: Pod, container: Container, hook: LifecycleHandler, id: string): void {
    const { events, table, log, signal, poke } = this.#parts;
    table.markPostStart(id, "running");
    runHook(hook, this.#targetOf(container, id), signal).then(
      () => table.markPostStart(id, undefined),
      (error) => {
        if (signal.aborted) return;
        table.markPostStart(id, "failed");
        // What it said is for the node's own eyes: it may hold secrets.
        log.warn("A postStart hook failed", {
          pod: podName(pod),
          container: container.name,
          error: explain(error),
        });
        events.tell(pod, "Warning", "FailedPostStartHook", "PostStartHook failed", container.name);
      },
    ).finally(() => poke(pod.metadata.uid));
  }

  /** Begins the grace, and the preStop hook beside the worker: it has what there is of the grace. */
  async #stop(pod: Pod, { id, because, graceSeconds }: Extract<Action, { do: "stop" }>): Promise<void> {
    const { table, events, clock, log, signal, poke } = this.#parts;
    const one = table.of(pod.metadata.uid).find((each) => each.id === id);
    if (one === undefined) return;
    const since = one.stoppingSince ?? clock.monotonic();
    if (one.stoppingSince === undefined) events.tell(pod, "Normal", "Killing", because, one.container);
    // Noted, so that the grace begins once, however often the agent does; a disk that is full keeps nobody alive.
    await table.markStopping(id).catch((error) => log.error(`Cannot note that "${id}" is being stopped`, error));
    const container = containerSpecOf(pod, one.container);
    const hook = container?.lifecycle?.preStop;
    if (container === undefined || hook === undefined || graceSeconds <= 0) return;
    table.markHook(id, true);
    const left = Math.max(0, since + graceSeconds * 1000 - clock.monotonic());
    const until = AbortSignal.any([signal, AbortSignal.timeout(left)]);
    runHook(hook, this.#targetOf(container, id), until).catch((error) => {
      if (signal.aborted) return;
      log.warn("A preStop hook failed", { pod: podName(pod), container: container.name, error: explain(error) });
      events.tell(pod, "Warning", "FailedPreStopHook", "PreStopHook failed", container.name);
    }).finally(() => {
      table.markHook(id, false);
      poke(pod.metadata.uid);
    });
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
    const { table, runtime, images } = this.#parts;
    const one = table.of(pod.metadata.uid).find((each) => each.id === action.id);
    if (one === undefined) return;
    const kill = action.signal === "kill";
    const said = containerSpecOf(pod, one.container)?.lifecycle?.stopSignal;
    const signal = kill ? SIGKILL : stopSignalOf(said ?? images.index.find(one.imageId)?.config.StopSignal);
    await runtime.signalContainer({ id: action.id, signal, all: kill });
    if (kill) table.markKilled(action.id);
    else await table.markAsked(action.id);
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
    if (!this.#ran && plan.status.phase === "Running") {
      this.#ran = true;
      const { podStarted, clock } = this.#parts;
      // Not of a pod that an agent before this one has started.
      if (pod.status?.phase !== "Running" && this.#begunAt !== undefined) {
        podStarted?.((clock.monotonic() - this.#begunAt) / 1000);
      }
    }
    if (!this.#forgotten) this.#parts.outbox.put(pod, plan.status);
    for (const { key, type, reason, message, container } of plan.notices) {
      if (this.#noticed.has(key)) continue;
      this.#noticed.add(key);
      this.#parts.events.tell(pod, type, reason, message, container);
    }
    // Bounded: what is no longer said may be said again one day.
    const current = new Set(plan.notices.map((notice) => notice.key));
    for (const key of this.#noticed) if (!current.has(key)) this.#noticed.delete(key);
  }

  warn({ pod }: DesiredPod, reason: string, message: string, container?: string): void {
    this.#parts.events.tell(pod, "Warning", reason, message, container);
  }
}

function hasHostPorts(pod: Pod): boolean {
  return hostPortsOf(pod, "").length > 0;
}
