/** Makes the volumes of pods on this node, keeps their files current, and takes them away. */
import type { Client } from "@connectrpc/connect";
import type { Moment, MonotonicTime, Pod, VolumeMount } from "@k3ts/model/objects";
import type { ImageService } from "@k3ts/proto";
import { change, type FileStep, makeDirectory, mount, removeTree, unmountBelow } from "../file_steps.ts";
import { isThere, readTextIfThere } from "../files.ts";
import { ConfigError } from "../pods/config_error.ts";
import { expand } from "../pods/expand.ts";
import type { PodPaths } from "../paths.ts";
import { type Owner, writePayload } from "./atomic_writer.ts";
import { planVolumes, tokenKey, type TokenRequest, type VolumeInput, type VolumePlan } from "./plan.ts";
import { foundToken, type HeldToken, keepToken } from "./token.ts";

export type MountNative = Pick<Client<typeof ImageService>, "changeFiles" | "listMounts" | "bindBelow">;

/** Asks the server for a token of the pod's service account, bound to the pod. */
export type RequestToken = (pod: Pod, request: TokenRequest) => Promise<string>;

export interface Mounted {
  /** When to look again, as a token gets old. */
  refreshAt?: MonotonicTime;
}

/** Where an image's layers lie, lowest first; undefined when the image is not here. */
export type LayersOf = (reference: string) => string[] | undefined;

export interface SourceInput {
  mount: VolumeMount;
  environment: ReadonlyMap<string, string>;
  /** Where what lies below the volume may be mounted. */
  place: string;
}

export class Volumes {
  readonly #native: MountNative;
  readonly #requestToken: RequestToken;
  readonly #layersOf: LayersOf;
  /** By file. */
  readonly #held = new Map<string, HeldToken>();

  constructor(native: MountNative, requestToken: RequestToken, layersOf: LayersOf) {
    this.#native = native;
    this.#requestToken = requestToken;
    this.#layersOf = layersOf;
  }

  /** Makes what is missing and renews what has changed. Safe to repeat at any time. */
  async ensure(pod: Pod, paths: PodPaths, input: VolumeInput, now: Moment): Promise<Mounted> {
    const plans = planVolumes(pod, input);
    if (plans.length === 0) return {};
    // Where nothing is, nothing is mounted either: to list that is costly.
    const isNew = !isThere(paths.volumes);
    const mounted = new Set(isNew ? [] : (await this.#native.listMounts({ path: paths.volumes })).targets);
    let refreshAt: MonotonicTime | undefined;
    for (const plan of plans) {
      if (plan.kind === "host") {
        await prepareHostPath(plan);
        continue;
      }
      const directory = `${paths.volumes}/${plan.name}`;
      const owner = ownerOf(pod);
      const isMounted = mounted.has(directory);
      const steps = plan.kind === "image"
        ? isMounted ? [] : planImage(plan, directory, this.#layersOf(plan.reference))
        : planFolder(plan, { directory, isMade: !isNew && isThere(directory), isMounted, owner });
      if (plan.kind !== "files") {
        await change(this.#native, steps);
        continue;
      }
      const tokens = await this.#tokens(pod, plan.tokens, directory, steps.length > 0, now);
      const payload = plan.payload(new Map([...tokens].map(([key, { token }]) => [key, token])));
      await writePayload(this.#native, { directory, owner, ...(steps.length > 0 && { makes: steps }) }, payload);
      for (const token of tokens.values()) refreshAt = Math.min(refreshAt ?? Infinity, token.refreshAt);
    }
    return { ...(refreshAt !== undefined && { refreshAt }) };
  }

  async #tokens(
    pod: Pod,
    requests: readonly TokenRequest[],
    directory: string,
    isEmpty: boolean,
    now: Moment,
  ): Promise<ReadonlyMap<string, HeldToken>> {
    const tokens = new Map<string, HeldToken>();
    for (const request of requests) {
      const file = `${directory}/${request.path}`;
      const text = isEmpty ? undefined : await readTextIfThere(file);
      const held = this.#held.get(file);
      const before = text === undefined ? undefined : text === held?.token ? held : foundToken(text, now);
      const kept = await keepToken(before, () => this.#requestToken(pod, request), now);
      this.#held.set(file, kept);
      tokens.set(tokenKey(request), kept);
    }
    return tokens;
  }

  /** Where on the host a container's mount lies; what its subPath names is mounted at a place of its own first. */
  async source(pod: Pod, paths: PodPaths, { mount, environment, place }: SourceInput): Promise<string> {
    const volume = pod.spec?.volumes?.find((one) => one.name === mount.name);
    if (volume === undefined) {
      throw new ConfigError(`Cannot mount "${mount.name}" as the pod must have a volume of that name`);
    }
    const root = volume.hostPath?.path ?? `${paths.volumes}/${mount.name}`;
    const subPath = mount.subPathExpr ? expandAll(mount.subPathExpr, environment) : mount.subPath ?? "";
    if (subPath === "") return root;
    if (subPath.startsWith("/") || subPath.split("/").includes("..")) {
      throw new ConfigError(`Cannot mount "${subPath}" of "${mount.name}" as a subPath must stay inside its volume`);
    }
    // The container may write to the volume meanwhile: what is checked by its name could be another thing by then.
    await this.#native.bindBelow({ root, path: subPath, target: place });
    return place;
  }

  /**
   * Takes every mount below the pod's volumes away, deepest first, and what the pod has kept in them: nothing of it runs
   * any more, and the server may not be able to hear of that before there is room on the disk.
   */
  async release(paths: PodPaths): Promise<void> {
    for (const file of this.#held.keys()) if (file.startsWith(`${paths.volumes}/`)) this.#held.delete(file);
    await change(this.#native, [unmountBelow(paths.volumes), removeTree(paths.volumes)]);
  }
}

/** Makes the folder of a volume, empty; nothing where it is. Pure. */
function planFolder(
  plan: Extract<VolumePlan, { kind: "files" | "empty" }>,
  { directory, isMade, isMounted, owner }: {
    directory: string;
    isMade: boolean;
    isMounted: boolean;
    owner: Owner;
  },
): FileStep[] {
  const { gid = 0 } = owner;
  const mode = (plan.kind === "empty" ? 0o777 : 0o755) | (owner.gid === undefined ? 0 : SET_GROUP);
  const steps = isMade ? [] : [makeDirectory(directory, mode, gid)];
  if (!plan.inMemory || isMounted) return steps;
  // As /tmp is: what somebody writes others cannot remove.
  const inMemory = plan.kind === "empty" && owner.gid === undefined ? mode | STICKY : mode;
  const size = plan.kind === "empty" && plan.sizeBytes !== undefined ? [`size=${plan.sizeBytes}`] : [];
  const options = ["nosuid", "nodev", `mode=${inMemory.toString(8)}`, `gid=${gid}`, ...size];
  return [...steps, mount({ type: "tmpfs", source: "tmpfs", target: directory, options })];
}

const SET_GROUP = 0o2000;
const STICKY = 0o1000;

/** An image's files, which nobody can write to (KEP-4639). Pure. */
function planImage(
  { name, reference }: Extract<VolumePlan, { kind: "image" }>,
  directory: string,
  layers: readonly string[] | undefined,
): FileStep[] {
  if (layers === undefined || layers.length === 0) {
    throw new ConfigError(`Cannot mount volume "${name}" as image "${reference}" must be here: it is not`);
  }
  // One layer alone is no overlay.
  const [only, ...more] = layers;
  if (more.length === 0) {
    return [mount({ type: "bind", source: only!, target: directory, options: ["ro", "nosuid", "nodev"] })];
  }
  const options = ["ro", "nosuid", "nodev", `lowerdir=${layers.toReversed().join(":")}`];
  return [mount({ type: "overlay", source: "overlay", target: directory, options })];
}

/** A path with a name that nothing is known of would be another path than the one that was meant. */
function expandAll(expression: string, environment: ReadonlyMap<string, string>): string {
  const expanded = expand(expression, environment);
  const missing = [...expression.matchAll(/(\$+)\(([^)]*)\)/g)].find(([, dollars, name]) =>
    dollars!.length % 2 === 1 && !environment.has(name!)
  );
  if (missing === undefined) return expanded;
  throw new ConfigError(`missing value for "${missing[2]}"`);
}

/** Files belong to the pod's group, which may read them whatever their mode says (core/v1 fsGroup). */
function ownerOf(pod: Pod): Owner {
  const group = pod.spec?.securityContext?.fsGroup;
  return group === undefined ? {} : { gid: group };
}

/** core/v1 HostPathType: what must be there, and what may be made. */
async function prepareHostPath({ name, path, type }: Extract<VolumePlan, { kind: "host" }>): Promise<void> {
  if (type === "DirectoryOrCreate") return await Deno.mkdir(path, { recursive: true, mode: 0o755 });
  if (type === "") return;
  const stat = await Deno.stat(path).catch(() => undefined);
  if (type === "FileOrCreate" && stat === undefined) {
    return (await Deno.open(path, { write: true, createNew: true, mode: 0o644 })).close();
  }
  const fits = (type === "Directory" && stat?.isDirectory) ||
    ((type === "File" || type === "FileOrCreate") && stat?.isFile) ||
    (type === "Socket" && stat?.isSocket) || (type === "CharDevice" && stat?.isCharDevice) ||
    (type === "BlockDevice" && stat?.isBlockDevice);
  if (fits !== true) throw new ConfigError(`hostPath type check failed: ${path} is not a ${type} (volume "${name}")`);
}
