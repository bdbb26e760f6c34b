/** Makes images in the form of the OCI image layout 1.1, deterministic: the same files give the same digests. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { tar, type TarEntry } from "./tar.ts";

/** What a manifest or an index says of a blob (OCI image-spec, descriptor.md). */
export interface Descriptor {
  mediaType: string;
  digest: string;
  size: number;
}

export interface Blob {
  descriptor: Descriptor;
  data: Uint8Array;
}

export interface Layer {
  descriptor: Descriptor;
  /** The digest of the tar, before it was compressed. */
  diffId: string;
}

/** How layers are compressed. */
export interface Compression {
  suffix: "gzip" | "zstd";
  compress: (data: Uint8Array) => Uint8Array;
}

export interface ImageParts {
  /** The name that it is to be known by: docker.io/library/busybox:1.37. */
  reference: string;
  files: readonly TarEntry[];
  /** The `config` of the OCI image configuration: Cmd, Env, User and so on. */
  config: Record<string, unknown>;
}

const ARCHITECTURES: Record<string, string> = { x86_64: "amd64", aarch64: "arm64" };
const OCI = "application/vnd.oci.image";
const GZIP: Compression = { suffix: "gzip", compress: (data) => gzipSync(data, { level: 6 }) };

/** The content of the file `oci-layout`. */
export const LAYOUT_VERSION: string = JSON.stringify({ imageLayoutVersion: "1.0.0" });

/** An image of one layer as an archive of a layout. */
export function ociArchive({ reference, files, config }: ImageParts): Uint8Array<ArrayBuffer> {
  const layer = makeLayer(files, GZIP);
  const image = makeImage([layer], config);
  return tar([
    { path: "oci-layout", type: "file", data: new TextEncoder().encode(LAYOUT_VERSION) },
    { path: "index.json", type: "file", data: json(indexOf([[reference, image.manifest.descriptor]])) },
    { path: "blobs", type: "folder" },
    { path: "blobs/sha256", type: "folder" },
    ...[layer.blob, image.config, image.manifest].map(({ descriptor, data }) => ({
      path: blobPath(descriptor.digest),
      type: "file" as const,
      data,
    })),
  ]);
}

export function makeLayer(files: readonly TarEntry[], { suffix, compress }: Compression): Layer & { blob: Blob } {
  const archive = tar(files);
  const made = blob(`${OCI}.layer.v1.tar+${suffix}`, compress(archive));
  return { blob: made, descriptor: made.descriptor, diffId: digestOf(archive) };
}

/** @param layers the lowest first */
export function makeImage(
  layers: readonly Layer[],
  config: Record<string, unknown>,
): { config: Blob; manifest: Blob } {
  const configBlob = blob(
    `${OCI}.config.v1+json`,
    json({
      architecture: ARCHITECTURES[Deno.build.arch],
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    }),
  );
  const manifest = blob(
    `${OCI}.manifest.v1+json`,
    json({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: configBlob.descriptor,
      layers: layers.map(({ descriptor }) => descriptor),
    }),
  );
  return { config: configBlob, manifest };
}

/** The content of `index.json`, by the names that images are to be known by. */
export function indexOf(manifests: Iterable<readonly [reference: string, manifest: Descriptor]>): object {
  return {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: [...manifests].map(([reference, descriptor]) => ({
      ...descriptor,
      annotations: { "org.opencontainers.image.ref.name": reference, "io.containerd.image.name": reference },
    })),
  };
}

/** An index of one platform, as registries have it. */
export function platformIndex(manifest: Descriptor): Blob {
  const platform = { architecture: ARCHITECTURES[Deno.build.arch], os: "linux" };
  const mediaType = `${OCI}.index.v1+json`;
  return blob(mediaType, json({ schemaVersion: 2, mediaType, manifests: [{ ...manifest, platform }] }));
}

/** Where a layout has it. */
export function blobPath(digest: string): string {
  return `blobs/${digest.replace(":", "/")}`;
}

export function digestOf(data: Uint8Array): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

function blob(mediaType: string, data: Uint8Array): Blob {
  return { data, descriptor: { mediaType, digest: digestOf(data), size: data.length } };
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
