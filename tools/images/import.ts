/** Takes test images into nodes: all of them in one go, all nodes at the same time. */
import { blobPath, type Descriptor, indexOf, LAYOUT_VERSION } from "../oci_archive.ts";
import { FOLDER } from "./cache.ts";
import { ensureImages } from "./make.ts";
import { IMAGES } from "./table.ts";

/** A machine with a node on it, such as a TestMachine of tests/e2e. */
export interface ImportTarget {
  readonly name: string;
  readonly dataDir: string;
  /** @throws when the command fails */
  k3ts(...words: string[]): Promise<string>;
}

/**
 * @param names as those of {@link ensureImages}; @default all
 * @returns what it took on each machine, in milliseconds
 * @throws when a node then does not have each of them under its name, with its own configuration
 */
export async function importImages(
  machines: readonly ImportTarget[],
  names: readonly string[] = [],
  say?: (line: string) => void,
): Promise<Map<string, number>> {
  const images = await ensureImages(names, say);
  const ids = await idsOf(images);
  const folder = await joinLayouts(images);
  try {
    const took = await Promise.all(machines.map(async ({ name, dataDir, k3ts }, at): Promise<[string, number]> => {
      const began = performance.now();
      await k3ts.call(machines[at], "image", "import", folder, "--data-dir", dataDir);
      const took = performance.now() - began;
      const listed = await k3ts.call(machines[at], "image", "list", "--data-dir", dataDir);
      const wrong = missingFrom(listed, ids);
      if (wrong.length > 0) {
        throw new Error(`Cannot use the images on ${name} as it must have ${wrong.join(", ")}: it has\n${listed}`);
      }
      return [name, took];
    }));
    return new Map(took);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** By name: the digests of their configurations, by which nodes know them. */
async function idsOf(images: ReadonlyMap<string, string>): Promise<Map<string, string>> {
  const ids = new Map<string, string>();
  for (const [name, folder] of images) {
    const { manifests } = JSON.parse(await Deno.readTextFile(`${folder}/index.json`)) as { manifests: Descriptor[] };
    const manifest = JSON.parse(await Deno.readTextFile(`${folder}/${blobPath(manifests[0]!.digest)}`));
    ids.set(name, (manifest as { config: Descriptor }).config.digest);
  }
  return ids;
}

/**
 * @param listed what `k3ts image list` says: names, and the first digits of ids
 * @returns the names that are not there, or are those of something else
 */
export function missingFrom(listed: string, ids: ReadonlyMap<string, string>): string[] {
  const found = new Map(
    listed.split("\n").map((line): [string, string] => {
      const [name = "", digits = ""] = line.split(/\s+/);
      return [name, digits];
    }),
  );
  return [...ids].filter(([name, id]) => {
    const digits = found.get(name);
    return !digits || !id.startsWith(`sha256:${digits}`);
  }).map(([name]) => name);
}

/** One layout with all of them, whose files are the same ones. */
async function joinLayouts(images: ReadonlyMap<string, string>): Promise<string> {
  const joined = await Deno.makeTempDir({ dir: FOLDER, prefix: ".import-" });
  await Deno.mkdir(`${joined}/blobs/sha256`, { recursive: true });
  const manifests: [string, Descriptor][] = [];
  const digests = new Set<string>();
  for (const [name, folder] of images) {
    manifests.push([name, JSON.parse(await Deno.readTextFile(`${folder}/index.json`)).manifests[0]]);
    for await (const { name: hex } of Deno.readDir(`${folder}/blobs/sha256`)) digests.add(`sha256:${hex}`);
  }
  for (const digest of digests) await Deno.link(`${FOLDER}/${blobPath(digest)}`, `${joined}/${blobPath(digest)}`);
  await Deno.writeTextFile(`${joined}/oci-layout`, LAYOUT_VERSION);
  await Deno.writeTextFile(`${joined}/index.json`, JSON.stringify(indexOf(manifests)));
  return joined;
}

/**
 * What a node's `registries.yaml` says so that it asks a registry of {@link serveImages} for the test images first.
 * @param address host and port
 */
export function mirrorSettings(address: string, login?: { username: string; password: string }): string {
  const registries = new Set(IMAGES.map(({ name }) => name.slice(0, name.indexOf("/"))));
  const mirrors = Object.fromEntries(
    [...registries].map((registry) => [registry, { endpoint: [`http://${address}`] }]),
  );
  const configs = login && { [address]: { auth: login } };
  // JSON is YAML.
  return JSON.stringify({ mirrors, configs }, null, 2);
}
