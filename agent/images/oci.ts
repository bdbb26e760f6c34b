/** The parts of the OCI image specification 1.1 that we read; Docker's schema 2 has the same shape. */
import type { ImageConfig } from "../runtime/container_spec.ts";
import { hexOf } from "./blobs.ts";

export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string; variant?: string };
  annotations?: Record<string, string>;
}

export interface Manifest {
  mediaType?: string;
  config: Descriptor;
  layers: Descriptor[];
}

export interface Index {
  mediaType?: string;
  manifests: Descriptor[];
}

/** The image configuration, which the layers' uncompressed digests stand in. */
export interface ImageFile {
  architecture?: string;
  os?: string;
  config?: ImageConfig;
  rootfs: { type: "layers"; diff_ids: string[] };
}

/** @throws when it is not of the shape that the specification asks for: it comes from strangers */
export function readImageFile(bytes: Uint8Array): ImageFile {
  const file = JSON.parse(new TextDecoder().decode(bytes)) as Partial<ImageFile> | null;
  const layers = file?.rootfs?.diff_ids;
  if (!Array.isArray(layers)) throw new Error("Cannot use an image as its configuration must name its layers");
  for (const layer of layers) hexOf(layer);
  const config = file?.config ?? {};
  const isText = (value: unknown) => value === undefined || value === null || typeof value === "string";
  const isTexts = (value: unknown) =>
    value === undefined || value === null || Array.isArray(value) && value.every((one) => typeof one === "string");
  const { Env, Cmd, Entrypoint, User, WorkingDir, StopSignal } = config;
  if (![Env, Cmd, Entrypoint].every(isTexts) || ![User, WorkingDir, StopSignal].every(isText)) {
    throw new Error("Cannot use an image as its configuration must be of the types that OCI gives it");
  }
  return file as ImageFile;
}

export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/** A manifest or configuration larger than this is refused. */
export const DOCUMENT_BYTES_MAX = 4 * 1024 * 1024;
/** A layer larger than this is refused. */
export const LAYER_BYTES_MAX = 32 * 1024 ** 3;

export function isIndex(document: Manifest | Index): document is Index {
  return "manifests" in document;
}

/** The manifest for this machine; the only one if there is no choice. */
export function choosePlatform(index: Index, architecture: string): Descriptor {
  // What builders attach beside images bears the platform unknown/unknown.
  const images = index.manifests.filter((one) => one.platform?.os !== "unknown");
  const fits = images.find((one) => one.platform?.os === "linux" && one.platform.architecture === architecture);
  const chosen = fits ?? (images.length === 1 && images[0]!.platform === undefined ? images[0] : undefined);
  if (chosen === undefined) {
    const has = images.map((one) => `${one.platform?.os}/${one.platform?.architecture}`).join(", ");
    throw new Error(`Cannot use the image as it must be made for linux/${architecture}: it has ${has || "nothing"}`);
  }
  return chosen;
}

/** As Go and OCI name it. */
export function machineArchitecture(): string {
  return Deno.build.arch === "aarch64" ? "arm64" : "amd64";
}
