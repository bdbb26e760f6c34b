/** Makes a container and starts it: root file system, specification, shim. */
import { constants } from "node:os";
import type { Container, Pod } from "@k3ts/model/objects";
import {
  type FileStep,
  makeDirectory,
  mount,
  removeFile,
  removeTree,
  unmount,
  unmountBelow,
  writeInPlace,
} from "../file_steps.ts";
import type { Image } from "../images/index.ts";
import { logPathOf, type PodPaths, podPathsOf } from "../paths.ts";
import { capabilitiesIn, capabilitiesOf } from "../runtime/capabilities.ts";
import { cgroupsPathOf, limitProcesses } from "../runtime/cgroups.ts";
import { containerSpec } from "../runtime/container_spec.ts";
import { hostDevices } from "../runtime/devices.ts";
import type { OciSeccomp } from "../runtime/oci.ts";
import { hostnameOf } from "../runtime/pod_files.ts";
import { defaultSeccomp, readSeccomp, seccompChoiceOf } from "../runtime/seccomp.ts";
import { type Accounts, userOf } from "../runtime/user.ts";
import { ConfigError } from "./config_error.ts";
import { containerSpecOf } from "./container_rules.ts";
import { environmentOf } from "./environment.ts";
import type { NodeParts } from "./machine_parts.ts";
import { containerId, type ContainerKind, type ContainerRecord, type ObservedContainer } from "./observed.ts";
import type { Sandbox } from "./sandboxes.ts";

export interface StartOptions {
  container: Container;
  kind: ContainerKind;
  attempt: number;
  backoffMs?: number;
  image: Image;
  sandbox: Sandbox;
}

/** What a container's directory holds beside the shim's files. */
function containerPaths(directory: string) {
  return {
    rootfs: `${directory}/rootfs`,
    upper: `${directory}/upper`,
    work: `${directory}/work`,
    /** What lies below volumes is mounted here, on its way into the container. */
    volumes: `${directory}/volumes`,
    terminationLog: `${directory}/termination-log`,
    config: `${directory}/config.json`,
  };
}

/** Leaves nothing behind when it fails before the container is made. */
export async function startContainer(parts: NodeParts, pod: Pod, options: StartOptions): Promise<ContainerRecord> {
  const { container, image } = options;
  const id = containerId(pod.metadata.uid, container.name, options.attempt);
  const record: ContainerRecord = {
    id,
    podUid: pod.metadata.uid,
    container: container.name,
    kind: options.kind,
    attempt: options.attempt,
    image: container.image ?? "",
    imageId: image.id,
    ...(image.digests[0] !== undefined && { imageDigest: image.digests[0] }),
    ...(options.backoffMs !== undefined && { backoffMs: options.backoffMs }),
    createdAt: Math.max(parts.clock.wall(), options.sandbox.createdAt),
  };
  const directory = parts.table.directoryOf(id);
  const paths = podPathsOf(parts.paths, pod.metadata.uid);
  const logPath = logPathOf(paths, container.name, options.attempt);
  const root = planRoot(parts, directory, image);
  const known = ACCOUNTS.get(image);
  // What lies below volumes is mounted, and accounts that nobody has read yet are read, when the root is there.
  const isOneStep = known !== undefined &&
    !(container.volumeMounts ?? []).some((one) => one.subPath ?? one.subPathExpr);
  try {
    if (!isOneStep) await parts.table.add(record, root);
    const accounts = known ?? await readAccounts(image, containerPaths(directory).rootfs);
    const { user, steps } = await planSpec(parts, pod, { paths, id, accounts }, options);
    record.user = user;
    steps.push(makeDirectory(`${paths.logs}/${container.name}`, 0o755));
    if (isOneStep) await parts.table.add(record, [...root, ...steps]);
    else {
      parts.table.markUser(id, user);
      await parts.mounts.changeFiles({ steps });
    }
    await parts.runtime.createContainer({
      id,
      bundle: directory,
      directory,
      logPath,
      stdin: container.stdin ?? false,
      tty: container.tty ?? false,
      stdinOnce: container.stdinOnce ?? false,
    });
  } catch (error) {
    await discard(parts, id);
    throw error;
  }
  parts.table.markMade(id);
  parts.events.tell(pod, "Normal", "Created", "Container created", container.name);
  await beginContainer(parts, pod.metadata.uid, id);
  return record;
}

/** Of one that was made: its processes do not run before the pod is limited, which has its cgroup from its containers. */
export async function beginContainer(parts: NodeParts, podUid: string, id: string): Promise<void> {
  if (parts.podProcessesMax !== undefined) {
    await limitProcesses(parts.paths.cgroupParent, podUid, parts.podProcessesMax);
  }
  const { startedAt } = await parts.runtime.startContainer({ id });
  parts.table.markStarted(id, startedAt);
}

/** Lowest layer last, as overlayfs wants it. */
function planRoot(parts: NodeParts, directory: string, image: Image): FileStep[] {
  const { rootfs, upper, work } = containerPaths(directory);
  const lower = image.layers.map((layer) => parts.images.layerPath(layer)).reverse();
  // What a container writes here ends with it, so that nobody waits for a disk: neither its fsync, nor its unmount, which
  // else writes back all that anybody has written to that disk.
  const options = [`lowerdir=${lower.join(":")}`, `upperdir=${upper}`, `workdir=${work}`, "volatile"];
  return [
    ...[rootfs, upper, work].map((path) => makeDirectory(path, 0o755)),
    mount({ type: "overlay", source: "overlay", target: rootfs, options }),
  ];
}

interface SpecInput {
  paths: PodPaths;
  id: string;
  accounts: Accounts;
}

/** Who the container runs as, and its specification as a file. */
async function planSpec(
  parts: NodeParts,
  pod: Pod,
  { paths, id, accounts }: SpecInput,
  { container, image, sandbox }: StartOptions,
): Promise<{ user: NonNullable<ContainerRecord["user"]>; steps: FileStep[] }> {
  const directory = parts.table.directoryOf(id);
  const { rootfs, volumes, terminationLog, config } = containerPaths(directory);
  const environment = environmentOf({
    pod,
    container,
    references: parts.references,
    services: parts.services(pod.metadata.namespace ?? "default"),
    hostAddress: parts.node.address,
    podAddress: sandbox.address ?? parts.node.address,
    node: parts.node,
  });
  const volumeSources = new Map<string, string>();
  for (const [at, mount] of (container.volumeMounts ?? []).entries()) {
    const source = await parts.volumes.source(pod, paths, { mount, environment, place: `${volumes}/${at}` });
    volumeSources.set(mount.mountPath, source);
  }
  const user = userOf(pod, container, image.config.User ?? "", accounts);
  const held = heldCapabilities();
  const capabilities = capabilitiesOf(container, held);
  const seccomp = await seccompOf(parts, pod, container, capabilities);
  const spec = containerSpec({
    pod,
    container,
    image: image.config,
    user,
    environment,
    namespaces: sandbox.namespaces,
    hostname: sandbox.hostname ?? hostnameOf(pod),
    rootfs,
    terminationLog,
    files: paths,
    volumeSources,
    cgroupsPath: cgroupsPathOf(parts.paths.cgroupParent, pod.metadata.uid, id),
    nodeMemoryBytes: parts.node.memoryBytes,
    oomScoreMin: held.includes("CAP_SYS_RESOURCE")
      ? -1000
      : Number(await Deno.readTextFile("/proc/self/oom_score_adj")),
    capabilities,
    ...(seccomp !== undefined && { seccomp }),
    ...(container.securityContext?.privileged === true && { devices: await hostDevices() }),
  });
  return {
    user: { uid: user.uid, gid: user.gid, groups: [...new Set([user.gid, ...user.additionalGids ?? []])] },
    steps: [writeInPlace(terminationLog, "", { mode: 0o666 }), writeInPlace(config, JSON.stringify(spec))],
  };
}

let held: readonly string[] | undefined;

/** This process's own: it gives none away. */
function heldCapabilities(): readonly string[] {
  return held ??= capabilitiesIn(Deno.readTextFileSync("/proc/self/status"));
}

async function seccompOf(
  parts: NodeParts,
  pod: Pod,
  container: Container,
  capabilities: readonly string[],
): Promise<OciSeccomp | undefined> {
  const choice = seccompChoiceOf(pod, container);
  if (choice.type === "Unconfined") return undefined;
  if (choice.type === "Localhost") return await readSeccomp(parts.paths.seccomp, choice.path);
  return defaultSeccomp(capabilities);
}

/** Of images that were used before: an image never changes. */
const ACCOUNTS = new WeakMap<Image, Accounts>();
/** Larger ones are read each time. */
const KEPT_BYTES_MAX = 64 * 1024;

/** @param rootfs of a container of the image, before it has begun */
async function readAccounts(image: Image, rootfs: string): Promise<Accounts> {
  const accounts = { passwd: await readInside(rootfs, "etc/passwd"), group: await readInside(rootfs, "etc/group") };
  if (accounts.passwd.length + accounts.group.length <= KEPT_BYTES_MAX) ACCOUNTS.set(image, accounts);
  return accounts;
}

/** More accounts than that no image has. */
const ACCOUNTS_BYTES_MAX = 4 * 1024 * 1024;

/**
 * A file of the image; empty when it has none. Links that lead out of the image lead nowhere, and what is no plain file,
 * or has no end, is none: images come from strangers.
 */
async function readInside(rootfs: string, path: string): Promise<string> {
  try {
    const real = await Deno.realPath(`${rootfs}/${path}`);
    const { isFile, size } = await Deno.lstat(real);
    const fits = real.startsWith(`${rootfs}/`) && isFile && size <= ACCOUNTS_BYTES_MAX;
    return fits ? await Deno.readTextFile(real) : "";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return "";
    throw error;
  }
}

/** Ends what still runs and gives back what it held; record, exit and log stay. */
export async function retireContainer(parts: NodeParts, id: string): Promise<void> {
  await letGo(parts, id);
  const directory = parts.table.directoryOf(id);
  const { rootfs, upper, work, volumes } = containerPaths(directory);
  await parts.table.markRetired(id, [
    ...planUnmounts(directory),
    ...[rootfs, upper, work, volumes].map((path) => removeTree(path)),
  ]);
}

/** Nothing of it stays, nor its log. */
export async function removeContainer(parts: NodeParts, one: ObservedContainer): Promise<void> {
  const log = logPathOf(podPathsOf(parts.paths, one.podUid), one.container, one.attempt);
  // What is retired holds nothing any more.
  if (one.state === "retired") return await parts.table.remove(one.id, [removeFile(log)]);
  await discard(parts, one.id);
  await parts.mounts.changeFiles({ steps: [removeFile(log)] });
}

async function discard(parts: NodeParts, id: string): Promise<void> {
  await letGo(parts, id);
  await parts.table.remove(id, planUnmounts(parts.table.directoryOf(id)));
}

async function letGo(parts: NodeParts, id: string): Promise<void> {
  parts.prober.stop(id);
  await parts.runtime.deleteContainer({ id });
}

function planUnmounts(directory: string): FileStep[] {
  const { rootfs, volumes } = containerPaths(directory);
  return [unmount(rootfs), unmountBelow(volumes)];
}

/**
 * A signal by name or number, as images and containers give it: `SIGQUIT`, `3`, `SIGRTMIN+3`. SIGTERM where nothing
 * is said, or nothing that is a signal.
 */
export function stopSignalOf(said = ""): number {
  const numbers = constants.signals as Record<string, number>;
  const realTime = /^(?:SIG)?RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(said);
  const number = realTime !== null
    ? (realTime[1] === "MIN" ? SIGRTMIN : SIGRTMAX) + Number(`${realTime[2] ?? "+"}${realTime[3] ?? 0}`)
    : /^\d+$/.test(said)
    ? Number(said)
    : numbers[said.startsWith("SIG") ? said : `SIG${said}`];
  return number !== undefined && number >= 1 && number <= SIGRTMAX ? number : numbers.SIGTERM!;
}

/** As the C library has them. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The container of that name, init or not. */
export function containerNamed(pod: Pod, name: string): Container {
  const found = containerSpecOf(pod, name);
  if (found === undefined) throw new ConfigError(`Cannot start container "${name}" as the pod must have it`);
  return found;
}
