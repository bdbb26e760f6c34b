/** Makes an image of one layer as an OCI archive (OCI image layout 1.1 in a tar), without any other program. */
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { tar, type TarEntry } from "./tar.ts";

export interface ImageParts {
  /** The name that it is to be known by: docker.io/library/busybox:1.37. */
  reference: string;
  files: readonly TarEntry[];
  /** The `config` of the OCI image configuration: Cmd, Env, User and so on. */
  config: Record<string, unknown>;
}

const ARCHITECTURES: Record<string, string> = { x86_64: "amd64", aarch64: "arm64" };
const OCI = "application/vnd.oci.image";

export function ociArchive({ reference, files, config }: ImageParts): Uint8Array<ArrayBuffer> {
  const layer = tar(files);
  const layerBlob = blob(`${OCI}.layer.v1.tar+gzip`, gzipSync(layer, { level: 6 }));
  const configBlob = blob(
    `${OCI}.config.v1+json`,
    json({
      architecture: ARCHITECTURES[Deno.build.arch],
      os: "linux",
      config,
      rootfs: { type: "layers", diff_ids: [digest(layer)] },
    }),
  );
  const manifestBlob = blob(
    `${OCI}.manifest.v1+json`,
    json({
      schemaVersion: 2,
      mediaType: `${OCI}.manifest.v1+json`,
      config: configBlob.descriptor,
      layers: [layerBlob.descriptor],
    }),
  );
  const index = {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: [{
      ...manifestBlob.descriptor,
      annotations: { "org.opencontainers.image.ref.name": reference, "io.containerd.image.name": reference },
    }],
  };
  return tar([
    { path: "oci-layout", type: "file", data: json({ imageLayoutVersion: "1.0.0" }) },
    { path: "index.json", type: "file", data: json(index) },
    { path: "blobs", type: "folder" },
    { path: "blobs/sha256", type: "folder" },
    ...[layerBlob, configBlob, manifestBlob].map(({ descriptor, data }) => ({
      path: `blobs/${descriptor.digest.replace(":", "/")}`,
      type: "file" as const,
      data,
    })),
  ]);
}

function blob(mediaType: string, data: Uint8Array) {
  return { data, descriptor: { mediaType, digest: digest(data), size: data.length } };
}

function digest(data: Uint8Array): string {
  return `sha256:${createHash("sha256").update(data).digest("hex")}`;
}

function json(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
