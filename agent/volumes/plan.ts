/**
 * What each volume of a pod is on this node, and what files it must have.
 *
 * Pure: ConfigMaps, Secrets and tokens are given (Kubernetes documentation: "Volumes", "Projected Volumes").
 */
import type { KeyToPath, Pod, Volume } from "@k3ts/model/objects";
import { ConfigError } from "../pods/config_error.ts";
import { type DownwardInput, fieldOf, resourceOf } from "../pods/downward.ts";
import { amountOf } from "../pods/amount.ts";
import { bytes } from "../pods/text.ts";
import type { Data, References } from "../sync/references.ts";
import type { Payload, VolumeFile } from "./atomic_writer.ts";

export interface TokenRequest {
  volume: string;
  path: string;
  /** Empty: the API server's own. */
  audience: string;
  expirationSeconds: number;
}

export type VolumePlan =
  /** `inMemory`: nothing of it reaches a disk. */
  | {
    kind: "files";
    name: string;
    inMemory: boolean;
    payload: (tokens: ReadonlyMap<string, string>) => Payload;
    tokens: TokenRequest[];
  }
  | { kind: "empty"; name: string; inMemory: boolean; sizeBytes?: number }
  | { kind: "host"; name: string; path: string; type: string }
  /** What an image holds, for reading. */
  | { kind: "image"; name: string; reference: string };

export interface VolumeInput extends DownwardInput {
  references: References;
  node: { cpuCores: number; memoryBytes: number };
}

type FilesPlan = Extract<VolumePlan, { kind: "files" }>;
type Source = (tokens: ReadonlyMap<string, string>) => [string, VolumeFile][];

const MODE_DEFAULT = 0o644;
const TOKEN_SECONDS_DEFAULT = 3600;
const TOKEN_MODE = 0o600;
const PROJECTED = new Set(["configMap", "secret", "downwardAPI", "serviceAccountToken"]);

/** How a token is asked for and found again. */
export function tokenKey(request: TokenRequest): string {
  return `${request.volume}/${request.path}`;
}

export function planVolumes(pod: Pod, input: VolumeInput): VolumePlan[] {
  return (pod.spec?.volumes ?? []).map((volume) => planVolume(pod, volume, input));
}

function planVolume(pod: Pod, volume: Volume, input: VolumeInput): VolumePlan {
  const name = volume.name;
  if (volume.emptyDir !== undefined) {
    const inMemory = volume.emptyDir.medium === "Memory";
    const limit = volume.emptyDir.sizeLimit === undefined ? Infinity : amountOf(volume.emptyDir.sizeLimit) || Infinity;
    // What is kept in memory never outgrows what its pod, or the machine, has of it.
    const sizeBytes = inMemory ? Math.min(limit, memoryOf(pod, input)) : limit;
    return { kind: "empty", name, inMemory, ...(sizeBytes !== Infinity && { sizeBytes }) };
  }
  if (volume.image !== undefined) return { kind: "image", name, reference: volume.image.reference ?? "" };
  if (volume.hostPath !== undefined) {
    return { kind: "host", name, path: volume.hostPath.path, type: volume.hostPath.type ?? "" };
  }
  if (volume.configMap !== undefined) {
    return files(name, false, [configMap(pod, volume.configMap, volume.configMap.defaultMode, input)]);
  }
  if (volume.secret !== undefined) {
    const { secretName, ...rest } = volume.secret;
    return files(name, true, [secret(pod, { ...rest, name: secretName }, rest.defaultMode, input)]);
  }
  if (volume.downwardAPI !== undefined) {
    return files(name, true, [downward(volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode, input)]);
  }
  if (volume.projected !== undefined) return planProjected(pod, volume, input);
  const type = Object.keys(volume).find((key) => key !== "name") ?? "nothing";
  // A volume without a source is an empty one (core/v1 VolumeSource).
  if (type === "nothing") return { kind: "empty", name, inMemory: false };
  throw new ConfigError(`Cannot mount volume "${name}" as its type must be one that this node has: it is ${type}`);
}

function planProjected(pod: Pod, volume: Volume, input: VolumeInput): FilesPlan {
  const mode = volume.projected?.defaultMode;
  const sources: Source[] = [];
  const tokens: TokenRequest[] = [];
  for (const source of volume.projected?.sources ?? []) {
    if (source.configMap !== undefined) sources.push(configMap(pod, source.configMap, mode, input));
    if (source.secret !== undefined) sources.push(secret(pod, source.secret, mode, input));
    if (source.downwardAPI !== undefined) sources.push(downward(source.downwardAPI.items ?? [], mode, input));
    if (source.serviceAccountToken !== undefined) {
      const { path, audience, expirationSeconds } = source.serviceAccountToken;
      const request = {
        volume: volume.name,
        path,
        audience: audience ?? "",
        expirationSeconds: expirationSeconds ?? TOKEN_SECONDS_DEFAULT,
      };
      tokens.push(request);
      const uid = userOfAll(pod);
      // Where somebody else than root is to read it, nobody else is.
      const isFor = uid !== undefined || pod.spec?.securityContext?.fsGroup !== undefined;
      const file = { mode: isFor ? TOKEN_MODE : mode ?? MODE_DEFAULT, ...(uid !== undefined && { uid }) };
      sources.push((given) => [[path, { content: bytes(given.get(tokenKey(request)) ?? ""), ...file }]]);
    }
    const unknown = Object.keys(source).find((key) => !PROJECTED.has(key));
    if (unknown !== undefined) {
      throw new ConfigError(
        `Cannot mount volume "${volume.name}" as this node must have its sources: ${unknown} it has not`,
      );
    }
  }
  return { ...files(volume.name, true, sources), tokens };
}

/** The limits of all containers together, where each has one; else the machine's. */
function memoryOf(pod: Pod, { node }: VolumeInput): number {
  const limits = (pod.spec?.containers ?? []).map((one) => one.resources?.limits?.memory);
  const all = limits.reduce((sum, limit) => limit === undefined ? NaN : sum + amountOf(limit), 0);
  return Math.floor(Number.isNaN(all) ? node.memoryBytes : Math.min(all, node.memoryBytes));
}

/** The one user that all containers run as, if there is one: tokens are its own. */
function userOfAll(pod: Pod): number | undefined {
  const shared = pod.spec?.securityContext?.runAsUser;
  const users = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
    .map((one) => one.securityContext?.runAsUser ?? shared);
  return users.every((user) => user === users[0]) ? users[0] : undefined;
}

function files(name: string, inMemory: boolean, sources: Source[]): FilesPlan {
  return {
    kind: "files",
    name,
    inMemory,
    tokens: [],
    // Later sources win, as in Kubernetes.
    payload: (tokens) => new Map(sources.flatMap((source) => source(tokens))),
  };
}

interface From {
  name?: string;
  optional?: boolean;
  items?: KeyToPath[];
}

function configMap(pod: Pod, from: From, mode: number | undefined, { references }: VolumeInput): Source {
  const namespace = pod.metadata.namespace ?? "default";
  return () => pick(references.data("ConfigMap", namespace, from.name ?? "", from.optional ?? false), from, mode);
}

function secret(pod: Pod, from: From, mode: number | undefined, { references }: VolumeInput): Source {
  const namespace = pod.metadata.namespace ?? "default";
  return () => pick(references.data("Secret", namespace, from.name ?? "", from.optional ?? false), from, mode);
}

/** All keys, or those that are named, under the paths that they are given. */
function pick(data: Data | undefined, from: From, mode = MODE_DEFAULT): [string, VolumeFile][] {
  if (data === undefined) return [];
  if (from.items === undefined) return [...data].map(([key, content]) => [key, { content, mode }]);
  const picked: [string, VolumeFile][] = [];
  for (const item of from.items) {
    const content = data.get(item.key);
    if (content === undefined) {
      if (from.optional === true) continue;
      throw new ConfigError(`references non-existent config key: ${item.key}`);
    }
    picked.push([item.path, { content, mode: item.mode ?? mode }]);
  }
  return picked;
}

type DownwardItem = NonNullable<NonNullable<Volume["downwardAPI"]>["items"]>[number];

function downward(items: readonly DownwardItem[], mode: number | undefined, input: VolumeInput): Source {
  return () =>
    items.map((item) => {
      const value = item.fieldRef !== undefined
        ? fieldOf(input, item.fieldRef.fieldPath)
        : item.resourceFieldRef !== undefined
        ? resource(item.resourceFieldRef, input)
        : "";
      return [item.path, { content: bytes(value), mode: item.mode ?? mode ?? MODE_DEFAULT }];
    });
}

function resource(from: NonNullable<DownwardItem["resourceFieldRef"]>, { pod, node }: VolumeInput): string {
  const container = pod.spec?.containers.find((one) => one.name === from.containerName);
  if (container === undefined) {
    throw new ConfigError(`Cannot read a resource of container "${from.containerName}" as the pod must have it`);
  }
  return resourceOf(container, from.resource, from.divisor, node);
}
