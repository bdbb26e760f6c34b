/** What a pod worker sees of one pod on this node, gathered from disk, runtime and probes. */
import type { MonotonicTime, WallTime } from "@k3ts/model/objects";

export type ContainerKind = "init" | "app";

/** Written beside a container when it is made; what the runtime says is joined to it. */
export interface ContainerRecord {
  id: string;
  podUid: string;
  container: string;
  kind: ContainerKind;
  /** Counts the starts of this container in this pod, from 0. */
  attempt: number;
  /** The reference as the pod spells it. */
  image: string;
  /** The digest of the image's configuration: sha256:... */
  imageId: string;
  /** Name and digest under which a registry has the image, when it came from one. */
  imageDigest?: string;
  /** Who it runs as. */
  user?: { uid: number; gid: number; groups: number[] };
  /** How long the start was held back; absent for the first start and after a long good run. */
  backoffMs?: number;
  /** Not before its sandbox, nor what is of an earlier one after it, however the clock is set. */
  createdAt: WallTime;
}

export interface ContainerExit {
  code: number;
  signal: number;
  oomKilled: boolean;
  /** Nobody saw its end: the code is made up. */
  isUnknown?: boolean;
  finishedAt: WallTime;
  /** The container's last words, see core/v1 terminationMessagePolicy. */
  message?: string;
}

export interface ObservedContainer extends ContainerRecord {
  /** `retired`: ended, and nothing but its record and log is left. */
  state: "created" | "running" | "exited" | "retired";
  /** Of a container that has started. */
  startedAt?: WallTime;
  /** Of one that has ended. */
  exit?: ContainerExit;
  /** When that was. */
  endedAt?: MonotonicTime;
  /** When its grace began. */
  stoppingSince?: MonotonicTime;
  /** When it was first asked to end, by a signal: after its preStop hook, and after those that it serves. */
  askedAt?: MonotonicTime;
  /** Its preStop hook is under way, or false when that has ended; undefined when none was begun. */
  hookRuns?: boolean;
  /** What its postStart hook does; absent when it has none, or it went well. */
  postStart?: "running" | "failed";
  /** When SIGKILL was last sent. */
  killedAt?: MonotonicTime;
}

export interface ProbeResult {
  ready: boolean;
  started: boolean;
  /** The probe because of which it must be stopped. */
  failed?: "Liveness" | "Startup";
}

/** Why something could not be done lately, and when it may be tried again. */
export interface Failure {
  /** As in a container's waiting state: CreateContainerConfigError, ErrImagePull, ... */
  reason: string;
  message: string;
  retryAt: MonotonicTime;
  /** When the same failure will have another name, as ErrImagePull becomes ImagePullBackOff. */
  turnsAt?: MonotonicTime;
  /** How often it has failed in a row. */
  tries?: number;
}

export type ImageState =
  | { state: "present"; id: string; digest?: string }
  | { state: "absent" }
  /** `failure`: why it could not be fetched the last time. */
  | { state: "pulling"; failure?: Failure }
  | { state: "failed"; failure: Failure };

export interface ObservedPod {
  /** When this node began with it. */
  begunAt: MonotonicTime;
  /** The namespaces that the containers share; absent when there are none, or no longer (a reboot). */
  sandbox?: { address?: string; createdAt: WallTime };
  /** Something of the pod is on this disk. */
  files: boolean;
  /** The server has answered for every ConfigMap and Secret that the pod uses, be it that there is none. */
  referencesKnown: boolean;
  /** `stale`: mounted, but what they show has changed. */
  volumes: "mounted" | "stale" | "unmounted";
  /** When a token in them must be renewed. */
  volumesRefreshAt?: MonotonicTime;
  containers: readonly ObservedContainer[];
  /** By reference as the pod spells it. */
  images: ReadonlyMap<string, ImageState>;
  /** By container id. */
  probes: ReadonlyMap<string, ProbeResult>;
  /** By what failed: `sandbox`, `volumes`, or a container's name. */
  failures: ReadonlyMap<string, Failure>;
  /** Why the node puts the pod out, if it does. */
  evicted?: { reason: string; message: string };
  /** Traffic no longer reaches it by a Service on this node. */
  leftServices: boolean;
  /** The server has been told that nothing is left, and has taken it. */
  forgotten: boolean;
}

/** A name that runtimes, cgroups and file systems take: at most 100 characters. */
export function containerId(podUid: string, container: string, attempt: number): string {
  // A uid has 36 characters, or 32 when it is a hash; a container name at most 63 (RFC 1123 label): 100 may just be missed.
  const tail = `-${attempt}`;
  const room = 100 - podUid.length - 1 - tail.length;
  return `${podUid}-${container.length <= room ? container : shorten(container, room)}${tail}`;
}

/** Keeps the beginning readable and the whole unique (FNV-1a, 32 bits). */
function shorten(name: string, room: number): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  return `${name.slice(0, room - 9)}-${hash.toString(16).padStart(8, "0")}`;
}
