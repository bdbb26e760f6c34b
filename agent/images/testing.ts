/** For tests: images in small, and a native side that only takes notes. */
import { gzipSync } from "node:zlib";
import { create } from "@bufbuild/protobuf";
import { ExtractArchiveResponseSchema, UnpackLayerResponseSchema } from "@k3ts/proto";
import { digestOf } from "./blobs.ts";
import type { ImageNative } from "./images.ts";
import { machineArchitecture } from "./oci.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

/** Notes the digests of what it is asked to unpack. */
export function fakeNative(unpacked: string[]): ImageNative {
  return {
    unpackLayer: async ({ blob, diffId, target }) => {
      await Deno.stat(blob!);
      await Deno.mkdir(target!, { recursive: true });
      unpacked.push(diffId!);
      return create(UnpackLayerResponseSchema);
    },
    extractArchive: () => Promise.resolve(create(ExtractArchiveResponseSchema)),
  };
}

/** An OCI layout with one image of two layers, which are no archives. */
export async function writeLayout(
  directory: string,
  annotations: Record<string, string> = {},
  /** What the configuration says instead of what is so. */
  lies: { layers?: string[]; config?: unknown } = {},
): Promise<{ id: string; diffIds: string[] }> {
  const put = async (content: Uint8Array<ArrayBuffer>, mediaType: string) => {
    const digest = digestOf(content);
    await Deno.mkdir(`${directory}/blobs/sha256`, { recursive: true });
    await Deno.writeFile(`${directory}/blobs/${digest.replace(":", "/")}`, content);
    return { mediaType, digest, size: content.length };
  };
  const layers = ["one", "two"].map(bytes);
  const diffIds = layers.map(digestOf);
  const config = {
    architecture: machineArchitecture(),
    os: "linux",
    config: lies.config ?? { Cmd: ["httpd"] },
    rootfs: { type: "layers", diff_ids: lies.layers ?? diffIds },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: await put(bytes(JSON.stringify(config)), "application/vnd.oci.image.config.v1+json"),
    layers: await Promise.all(
      layers.map((one) => put(new Uint8Array(gzipSync(one)), "application/vnd.oci.image.layer.v1.tar+gzip")),
    ),
  };
  const top = await put(bytes(JSON.stringify(manifest)), "application/vnd.oci.image.manifest.v1+json");
  await Deno.writeTextFile(`${directory}/oci-layout`, `{"imageLayoutVersion":"1.0.0"}`);
  const index = { schemaVersion: 2, manifests: [{ ...top, annotations }] };
  await Deno.writeTextFile(`${directory}/index.json`, JSON.stringify(index));
  return { id: manifest.config.digest, diffIds };
}
