/**
 * Reads image layouts on disk: the OCI image layout (image-spec, image-layout.md) and what `docker save` writes.
 */
import { exists } from "../files.ts";
import { digestOfFile, hexOf } from "./blobs.ts";
import {
  choosePlatform,
  type Descriptor,
  DOCUMENT_BYTES_MAX,
  type Index,
  isIndex,
  machineArchitecture,
  type Manifest,
} from "./oci.ts";
import { canonicalName, parseReference } from "./reference.ts";

export interface LayoutImage {
  manifest: Manifest;
  names: string[];
  digests: string[];
  /** Where the content with a digest lies. Not verified yet. @throws when it is no plain file of the layout */
  file(digest: string): Promise<string>;
}

/** @param name what to call the image where the layout does not say, or says no more than a tag */
export async function readLayout(directory: string, name?: string): Promise<LayoutImage[]> {
  const real = await Deno.realPath(directory);
  if (await exists(`${real}/oci-layout`)) return await readOci(real, name);
  if (await exists(`${real}/manifest.json`)) return await readDocker(real, name);
  throw new Error(`Cannot import "${directory}" as it must hold oci-layout or manifest.json: it holds neither`);
}

/** Links and devices of an archive could lead anywhere, or have no end. */
async function plainFile(directory: string, path: string): Promise<string> {
  const real = await Deno.realPath(`${directory}/${path}`).catch((error) => {
    throw new Error(`Cannot import "${directory}" as it must hold ${path}`, { cause: error });
  });
  if (real.startsWith(`${directory}/`) && (await Deno.lstat(real)).isFile) return real;
  throw new Error(`Cannot import "${directory}" as ${path} must be a plain file in it`);
}

async function readJson<T>(path: string): Promise<T> {
  const { size } = await Deno.stat(path);
  if (size > DOCUMENT_BYTES_MAX) {
    throw new Error(`Cannot import "${path}" as it must have at most ${DOCUMENT_BYTES_MAX} bytes: it has ${size}`);
  }
  return JSON.parse(await Deno.readTextFile(path)) as T;
}

async function readOci(directory: string, name?: string): Promise<LayoutImage[]> {
  const file = (digest: string) => plainFile(directory, `blobs/sha256/${hexOf(digest)}`);
  const index = await readJson<Index>(await plainFile(directory, "index.json"));
  if (name !== undefined && index.manifests.length > 1) {
    throw new Error(`Cannot call the image "${name}" as the layout must hold one: it holds ${index.manifests.length}`);
  }
  const images: LayoutImage[] = [];
  for (const top of index.manifests) {
    const called = nameOf(top, name);
    let document = await readJson<Manifest | Index>(await file(top.digest));
    if (isIndex(document)) {
      document = await readJson<Manifest | Index>(
        await file(choosePlatform(document, machineArchitecture()).digest),
      );
    }
    if (isIndex(document)) {
      throw new Error(`Cannot import "${directory}" as its index ${top.digest} must list manifests`);
    }
    const reference = parseReference(called);
    images.push({
      manifest: document,
      names: [canonicalName(reference)],
      digests: [`${reference.registry}/${reference.repository}@${top.digest}`],
      file,
    });
  }
  return images;
}

/** What containerd writes is a full name; what the specification asks for may be a mere tag. */
function nameOf(top: Descriptor, name: string | undefined): string {
  if (name !== undefined) return name;
  const full = top.annotations?.["io.containerd.image.name"];
  const said = full ?? top.annotations?.["org.opencontainers.image.ref.name"];
  if (said !== undefined && (full !== undefined || /[/:]/.test(said))) return said;
  throw new Error(
    `Cannot import ${top.digest} as it must have a name, in the layout or given: the layout says "${said ?? ""}"`,
  );
}

interface DockerManifest {
  Config: string;
  RepoTags: string[] | null;
  Layers: string[];
}

async function readDocker(directory: string, name?: string): Promise<LayoutImage[]> {
  const manifests = await readJson<DockerManifest[]>(await plainFile(directory, "manifest.json"));
  const images: LayoutImage[] = [];
  for (const one of manifests) {
    const files = new Map<string, string>();
    const describe = async (path: string, mediaType: string): Promise<Descriptor> => {
      const digest = await digestOfFile(path);
      files.set(digest, path);
      return { mediaType, digest, size: (await Deno.stat(path)).size };
    };
    const config = await describe(await plainFile(directory, one.Config), "application/vnd.oci.image.config.v1+json");
    const layers: Descriptor[] = [];
    for (const layer of one.Layers) {
      const path = await plainFile(directory, layer);
      layers.push(await describe(path, await mediaTypeOf(path)));
    }
    const names = name !== undefined ? [name] : one.RepoTags ?? [];
    if (names.length === 0) {
      throw new Error(`Cannot import "${one.Config}" as it must have a name, in the archive or given`);
    }
    images.push({
      manifest: { config, layers },
      names: names.map((each) => canonicalName(parseReference(each))),
      digests: [],
      file: (digest) => Promise.resolve(files.get(digest)!),
    });
  }
  return images;
}

/** By its first bytes: Docker's archives do not say. */
async function mediaTypeOf(path: string): Promise<string> {
  using file = await Deno.open(path);
  const head = new Uint8Array(4);
  await file.read(head);
  const base = "application/vnd.oci.image.layer.v1.tar";
  if (head[0] === 0x1f && head[1] === 0x8b) return `${base}+gzip`;
  if (head[0] === 0x28 && head[1] === 0xb5 && head[2] === 0x2f && head[3] === 0xfd) return `${base}+zstd`;
  return base;
}
