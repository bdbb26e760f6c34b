/** Makes the volumes of pods on this node, keeps their files current, and takes them away. */
import type { Client } from "@connectrpc/connect";
import type { Moment, MonotonicTime, Pod, VolumeMount } from "@k3ts/model/objects";
import type { ImageService } from "@k3ts/proto";
import { exists, readTextIfThere } from "../files.ts";
import { ConfigError } from "../pods/config_error.ts";
import { expand } from "../pods/expand.ts";
import type { PodPaths } from "../paths.ts";
import { type Owner, writePayload } from "./atomic_writer.ts";
import { unmountBelow } from "./mounts.ts";
import { planVolumes, tokenKey, type TokenRequest, type VolumeInput, type VolumePlan } from "./plan.ts";
import { foundToken, type HeldToken, keepToken } from "./token.ts";

export type MountNative = Pick<Client<typeof ImageService>, "mount" | "unmount" | "listMounts" | "bindBelow">;

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
    await Deno.mkdir(paths.volumes, { recursive: true, mode: 0o755 });
    const { targets } = await this.#native.listMounts({ path: paths.volumes });
    const mounted = new Set(targets);
    let refreshAt: MonotonicTime | undefined;
    for (const plan of plans) {
      const directory = `${paths.volumes}/${plan.name}`;
      if (plan.kind === "host") await prepareHostPath(plan);
      else if (plan.kind === "image") await this.#mountImage(plan, directory, mounted);
      else await this.#prepare(plan, directory, mounted, pod);
      if (plan.kind !== "files") continue;
      const tokens = await this.#tokens(pod, plan.tokens, directory, now);
      const payload = plan.payload(new Map([...tokens].map(([key, { token }]) => [key, token])));
      await writePayload(directory, payload, ownerOf(pod));
      for (const token of tokens.values()) refreshAt = Math.min(refreshAt ?? Infinity, token.refreshAt);
    }
    return { ...(refreshAt !== undefined && { refreshAt }) };
  }

  async #prepare(
    plan: Extract<VolumePlan, { kind: "files" | "empty" }>,
    directory: string,
    mounted: ReadonlySet<string>,
    pod: Pod,
  ): Promise<void> {
    const fresh = !await exists(directory);
    if (fresh) await Deno.mkdir(directory);
    if (plan.inMemory && !mounted.has(directory)) {
      const size = plan.kind === "empty" && plan.sizeBytes !== undefined ? [`size=${plan.sizeBytes}`] : [];
      const mode = plan.kind === "empty" ? "mode=1777" : "mode=0755";
      await this.#native.mount({
        type: "tmpfs",
        source: "tmpfs",
        target: directory,
        options: ["nosuid", "nodev", mode, ...size],
      });
    } else if (fresh) {
      await Deno.chmod(directory, plan.kind === "empty" ? 0o777 : 0o755);
    }
    const group = pod.spec?.securityContext?.fsGroup;
    if (group !== undefined && (fresh || (plan.inMemory && !mounted.has(directory)))) {
      await Deno.chown(directory, 0, group);
      await Deno.chmod(directory, plan.kind === "empty" ? 0o2777 : 0o2755);
    }
  }

  /** An image's files, which nobody can write to (KEP-4639). */
  async #mountImage(
    { name, reference }: Extract<VolumePlan, { kind: "image" }>,
    directory: string,
    mounted: ReadonlySet<string>,
  ): Promise<void> {
    if (mounted.has(directory)) return;
    const layers = this.#layersOf(reference);
    if (layers === undefined || layers.length === 0) {
      throw new ConfigError(`Cannot mount volume "${name}" as image "${reference}" must be here: it is not`);
    }
    // One layer alone is no overlay.
    const [only, ...more] = layers;
    if (more.length === 0) {
      await this.#native.mount({ type: "bind", source: only!, target: directory, options: ["ro", "nosuid", "nodev"] });
    } else {
      const lower = layers.toReversed().join(":");
      const options = ["ro", "nosuid", "nodev", `lowerdir=${lower}`];
      await this.#native.mount({ type: "overlay", source: "overlay", target: directory, options });
    }
  }

  async #tokens(
    pod: Pod,
    requests: readonly TokenRequest[],
    directory: string,
    now: Moment,
  ): Promise<ReadonlyMap<string, HeldToken>> {
    const tokens = new Map<string, HeldToken>();
    for (const request of requests) {
      const file = `${directory}/${request.path}`;
      const text = await readTextIfThere(file);
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

  /** Takes every mount below the pod's volumes away, deepest first. The files go with the pod's directory. */
  async release(paths: PodPaths): Promise<void> {
    for (const file of this.#held.keys()) if (file.startsWith(`${paths.volumes}/`)) this.#held.delete(file);
    await unmountBelow(this.#native, paths.volumes);
  }
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
