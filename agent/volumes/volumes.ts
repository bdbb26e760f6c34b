/** Makes the volumes of pods on this node, keeps their files current, and takes them away. */
import type { Client } from "@connectrpc/connect";
import type { Pod, VolumeMount } from "@k3ts/model/objects";
import type { ImageService } from "@k3ts/proto";
import { exists, readTextIfThere } from "../files.ts";
import { ConfigError } from "../pods/config_error.ts";
import { expand } from "../pods/expand.ts";
import type { PodPaths } from "../paths.ts";
import { writePayload } from "./atomic_writer.ts";
import { planVolumes, refreshTokenAt, tokenKey, type TokenRequest, type VolumeInput, type VolumePlan } from "./plan.ts";

export type MountNative = Pick<Client<typeof ImageService>, "mount" | "unmount" | "listMounts">;

/** Asks the server for a token of the pod's service account, bound to the pod. */
export type RequestToken = (pod: Pod, request: TokenRequest) => Promise<string>;

export interface Mounted {
  /** When to look again, as a token gets old; ms since the epoch. */
  refreshAt?: number;
}

export class Volumes {
  readonly #native: MountNative;
  readonly #requestToken: RequestToken;

  constructor(native: MountNative, requestToken: RequestToken) {
    this.#native = native;
    this.#requestToken = requestToken;
  }

  /** Makes what is missing and renews what has changed. Safe to repeat at any time. */
  async ensure(pod: Pod, paths: PodPaths, input: VolumeInput, now: number): Promise<Mounted> {
    const plans = planVolumes(pod, input);
    if (plans.length === 0) return {};
    await Deno.mkdir(paths.volumes, { recursive: true, mode: 0o755 });
    const { targets } = await this.#native.listMounts({ path: paths.volumes });
    const mounted = new Set(targets);
    let refreshAt: number | undefined;
    for (const plan of plans) {
      const directory = `${paths.volumes}/${plan.name}`;
      if (plan.kind === "host") await prepareHostPath(plan);
      else await this.#prepare(plan, directory, mounted, pod);
      if (plan.kind !== "files") continue;
      const tokens = await this.#tokens(pod, plan.tokens, directory, now);
      await writePayload(directory, plan.payload(tokens), ownerOf(pod));
      for (const token of tokens.values()) refreshAt = Math.min(refreshAt ?? Infinity, refreshTokenAt(token));
    }
    return { ...(refreshAt !== undefined && { refreshAt }) };
  }

  async #prepare(
    plan: Exclude<VolumePlan, { kind: "host" }>,
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
    if (plan.kind === "empty" && group !== undefined && (fresh || plan.inMemory)) {
      await Deno.chown(directory, 0, group);
      await Deno.chmod(directory, 0o2777);
    }
  }

  /** The tokens that are there while they are young, new ones for the rest. */
  async #tokens(
    pod: Pod,
    requests: readonly TokenRequest[],
    directory: string,
    now: number,
  ): Promise<ReadonlyMap<string, string>> {
    const tokens = new Map<string, string>();
    for (const request of requests) {
      const before = await readTextIfThere(`${directory}/${request.path}`);
      const young = before !== undefined && before !== "" && refreshTokenAt(before) > now;
      tokens.set(tokenKey(request), young ? before : await this.#requestToken(pod, request));
    }
    return tokens;
  }

  /** Where on the host a container's mount lies, with its subPath. */
  async source(
    pod: Pod,
    paths: PodPaths,
    mount: VolumeMount,
    environment: ReadonlyMap<string, string>,
  ): Promise<string> {
    const volume = pod.spec?.volumes?.find((one) => one.name === mount.name);
    if (volume === undefined) {
      throw new ConfigError(`Cannot mount "${mount.name}" as the pod must have a volume of that name`);
    }
    const root = volume.hostPath?.path ?? `${paths.volumes}/${mount.name}`;
    const subPath = mount.subPathExpr !== undefined ? expand(mount.subPathExpr, environment) : mount.subPath ?? "";
    if (subPath === "") return root;
    if (subPath.startsWith("/") || subPath.split("/").includes("..")) {
      throw new ConfigError(`Cannot mount "${subPath}" of "${mount.name}" as a subPath must stay inside its volume`);
    }
    if (!await exists(`${root}/${subPath}`)) await Deno.mkdir(`${root}/${subPath}`, { recursive: true, mode: 0o755 });
    // Links may lead anywhere: what they lead to must lie in the volume too.
    const [base, real] = await Promise.all([Deno.realPath(root), Deno.realPath(`${root}/${subPath}`)]);
    if (real !== base && !real.startsWith(`${base}/`)) {
      throw new ConfigError(`Cannot mount "${subPath}" of "${mount.name}" as a subPath must stay inside its volume`);
    }
    return real;
  }

  /** Takes every mount below the pod's volumes away, deepest first. The files go with the pod's directory. */
  async release(paths: PodPaths): Promise<void> {
    const { targets } = await this.#native.listMounts({ path: paths.volumes });
    for (const target of targets) await this.#native.unmount({ target });
  }
}

function ownerOf(pod: Pod): { gid?: number } {
  const group = pod.spec?.securityContext?.fsGroup;
  return group === undefined ? {} : { gid: group };
}

/** core/v1 HostPathType: what must be there, and what may be made. */
async function prepareHostPath({ name, path, type }: Extract<VolumePlan, { kind: "host" }>): Promise<void> {
  if (type === "DirectoryOrCreate") return await Deno.mkdir(path, { recursive: true, mode: 0o755 });
  if (type === "FileOrCreate") return (await Deno.open(path, { write: true, create: true, mode: 0o644 })).close();
  if (type === "") return;
  const stat = await Deno.stat(path).catch(() => undefined);
  const fits = (type === "Directory" && stat?.isDirectory) || (type === "File" && stat?.isFile) ||
    (type === "Socket" && stat?.isSocket) || (type === "CharDevice" && stat?.isCharDevice) ||
    (type === "BlockDevice" && stat?.isBlockDevice);
  if (fits !== true) throw new ConfigError(`hostPath type check failed: ${path} is not a ${type} (volume "${name}")`);
}
