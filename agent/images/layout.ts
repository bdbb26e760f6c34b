/**
 * Reads image layouts on disk: the OCI image layout (image-spec, image-layout.md) and what `docker save` writes.
 */
import { exists, readJsonIfThere } from "../files.ts";
import { digestOfFile } from "./blobs.ts";
import { choosePlatform, type Descriptor, type Index, isIndex, machineArchitecture, type Manifest } from "./oci.ts";
import { canonicalName, parseReference } from "./reference.ts";

export interface LayoutImage {
  manifest: Manifest;
  names: string[];
  digests: string[];
  /** Where the content with a digest lies. Not verified yet. */
  file(digest: string): string;
}

/** @param name what to call the image where the layout does not say, or says no more than a tag */
export async function readLayout(directory: string, name?: string): Promise<LayoutImage[]> {
  if (await exists(`${directory}/oci-layout`)) return await readOci(directory, name);
  if (await exists(`${directory}/manifest.json`)) return await readDocker(directory, name);
  throw new Error(`Cannot import "${directory}" as it must hold oci-layout or manifest.json: it holds neither`);
}

async function readOci(directory: string, name?: string): Promise<LayoutImage[]> {
  const file = (digest: string) => `${directory}/blobs/${digest.replace(":", "/")}`;
  const index = await readJsonIfThere<Index>(`${directory}/index.json`);
  if (index === undefined) throw new Error(`Cannot import "${directory}" as it must hold index.json`);
  if (name !== undefined && index.manifests.length > 1) {
    throw new Error(`Cannot call the image "${name}" as the layout must hold one: it holds ${index.manifests.length}`);
  }
  const images: LayoutImage[] = [];
  for (const top of index.manifests) {
    const called = nameOf(top, name);
    let document = await readJsonIfThere<Manifest | Index>(file(top.digest));
    if (document !== undefined && isIndex(document)) {
      document = await readJsonIfThere<Manifest | Index>(file(choosePlatform(document, machineArchitecture()).digest));
    }
    if (document === undefined || isIndex(document)) {
      throw new Error(`Cannot import "${directory}" as it must hold the manifest ${top.digest}`);
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
  const manifests = await readJsonIfThere<DockerManifest[]>(`${directory}/manifest.json`) ?? [];
  const images: LayoutImage[] = [];
  for (const one of manifests) {
    const files = new Map<string, string>();
    const describe = async (path: string, mediaType: string): Promise<Descriptor> => {
      if (path.startsWith("/") || path.split("/").includes("..")) {
        throw new Error(`Cannot import "${path}" as it must lie in the archive`);
      }
      const digest = await digestOfFile(`${directory}/${path}`);
      files.set(digest, `${directory}/${path}`);
      return { mediaType, digest, size: (await Deno.stat(`${directory}/${path}`)).size };
    };
    const config = await describe(one.Config, "application/vnd.oci.image.config.v1+json");
    const layers: Descriptor[] = [];
    for (const layer of one.Layers) {
      layers.push(await describe(layer, await mediaTypeOf(`${directory}/${layer}`)));
    }
    const names = name !== undefined ? [name] : one.RepoTags ?? [];
    if (names.length === 0) {
      throw new Error(`Cannot import "${one.Config}" as it must have a name, in the archive or given`);
    }
    images.push({
      manifest: { config, layers },
      names: names.map((each) => canonicalName(parseReference(each))),
      digests: [],
      file: (digest) => files.get(digest) ?? `${directory}/${digest}`,
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
