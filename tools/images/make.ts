/**
 * Makes images of their recipes, as folders in the OCI image layout. A layer is made once and shared: its file is the
 * same one, by a hard link, in every image that has it. What a layer was made of is part of its name in the cache, so
 * that a changed recipe or program makes another layer.
 */
import { dirname } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { BUSYBOX, busyboxPrograms } from "../busybox_image.ts";
import { ensurePackages } from "../debian.ts";
import { exists, readIfThere, removeIfThere, replace } from "../files.ts";
import {
  type Blob,
  blobPath,
  digestOf,
  indexOf,
  type Layer,
  LAYOUT_VERSION,
  makeImage,
  makeLayer,
  platformIndex,
} from "../oci_archive.ts";
import type { TarEntry } from "../tar.ts";
import { FOLDER, type Say } from "./cache.ts";
import { debianFiles } from "./debian.ts";
import { type LayerName, type LayerRecipe, LAYERS, type ProgramName } from "./layers.ts";
import { ensurePrograms, sourceFile } from "./programs.ts";
import { type ImageRow, IMAGES, imagesNamed } from "./table.ts";

/** Unpacks a few times faster than gzip. */
const ZSTD = { suffix: "zstd", compress: (data: Uint8Array) => zstdCompressSync(data) } as const;

/** Of how layers are made: a change of it makes all of them again. */
const GENERATION = 1;

/**
 * Makes those that are not there. Processes that make images do it one after the other; none waits for the programs of
 * another.
 *
 * @param names of the table, or ends of them; @default all
 * @param say told of everything that takes time
 * @returns by full name, where the image lies: a folder in the OCI image layout, which `k3ts image import` takes
 */
export async function ensureImages(
  names: readonly string[] = [],
  say: Say = console.error,
  signal?: AbortSignal,
): Promise<Map<string, string>> {
  const rows = names.length === 0 ? IMAGES : imagesNamed(names);
  await Deno.mkdir(`${FOLDER}/blobs/sha256`, { recursive: true });
  await Deno.mkdir(`${FOLDER}/layers`, { recursive: true });
  await ensurePackages([BUSYBOX], say);
  const programs = await ensurePrograms(new Set(rows.flatMap(programsOf)), say, signal);
  using lock = await Deno.open(`${FOLDER}/lock`, { write: true, create: true });
  await lock.lock(true);
  const maker = new Maker(programs, say);
  const made = new Map<string, string>();
  for (const row of rows) {
    signal?.throwIfAborted();
    made.set(row.name, await maker.layout(row));
  }
  await maker.sweep();
  return made;
}

function programsOf({ layers }: ImageRow): ProgramName[] {
  return layers.flatMap((name) => {
    const { programs, registry }: LayerRecipe = LAYERS[name];
    const inside = registry === undefined ? [] : programsOf(rowOf(registry.image));
    return [...Object.values(programs ?? {}).map(programNameOf), ...inside];
  });
}

class Maker {
  readonly #layers = new Map<LayerName, Layer>();
  /** Digests of what was made or found. */
  readonly #used = new Set<string>();

  constructor(readonly programs: ReadonlyMap<ProgramName, string>, readonly say: Say) {}

  /** @returns the folder */
  async layout(row: ImageRow): Promise<string> {
    const { manifest, config, layers } = await this.#image(row);
    const files = [config, manifest].map(({ descriptor }) => descriptor.digest);
    const folder = `${FOLDER}/${row.name.replaceAll(/[/:]/g, "_")}`;
    const index = JSON.stringify(indexOf([[row.name, manifest.descriptor]]));
    if (await readIfThere(`${folder}/index.json`) === index) return folder;
    const fresh = await Deno.makeTempDir({ dir: FOLDER, prefix: ".layout-" });
    await Deno.chmod(fresh, 0o755);
    await Deno.mkdir(`${fresh}/blobs/sha256`, { recursive: true });
    for (const digest of [...files, ...layers.map(({ descriptor }) => descriptor.digest)]) {
      await Deno.link(`${FOLDER}/${blobPath(digest)}`, `${fresh}/${blobPath(digest)}`);
    }
    await Deno.writeTextFile(`${fresh}/oci-layout`, LAYOUT_VERSION);
    await Deno.writeTextFile(`${fresh}/index.json`, index);
    await removeIfThere(folder);
    await Deno.rename(fresh, folder);
    const bytes = layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
    this.say(`${row.name}: ${(bytes / 1e6).toFixed(1)} MB`);
    return folder;
  }

  async #image(row: ImageRow): Promise<{ manifest: Blob; config: Blob; layers: Layer[] }> {
    const layers: Layer[] = [];
    for (const name of row.layers) layers.push(await this.#layer(name));
    const { config, manifest } = makeImage(layers, row.config);
    for (const blob of [config, manifest]) {
      await keep(blob);
      this.#used.add(blob.descriptor.digest);
    }
    return { config, manifest, layers };
  }

  async #layer(name: LayerName): Promise<Layer> {
    const known = this.#layers.get(name);
    if (known !== undefined) return known;
    const recipe: LayerRecipe = LAYERS[name];
    const record = `${FOLDER}/layers/${name}/${await this.#identify(recipe)}.json`;
    const kept = await readIfThere(record);
    let layer = kept === undefined ? undefined : JSON.parse(kept) as Layer;
    if (layer === undefined || !await exists(`${FOLDER}/${blobPath(layer.descriptor.digest)}`)) {
      this.say(`Making the layer ${name}`);
      const { blob, descriptor, diffId } = makeLayer(await this.#files(recipe), ZSTD);
      await keep(blob);
      layer = { descriptor, diffId };
      // Of each the newest is kept.
      await removeIfThere(dirname(record));
      await Deno.mkdir(dirname(record), { recursive: true });
      await replace(record, new TextEncoder().encode(JSON.stringify(layer)));
    }
    this.#layers.set(name, layer);
    return layer;
  }

  /** Removes blobs that no layout has, and no layer that may be used again. */
  async sweep(): Promise<void> {
    const used = new Set(this.#used);
    for await (const { name } of Deno.readDir(`${FOLDER}/layers`)) {
      for await (const record of Deno.readDir(`${FOLDER}/layers/${name}`)) {
        const layer = JSON.parse(await Deno.readTextFile(`${FOLDER}/layers/${name}/${record.name}`)) as Layer;
        used.add(layer.descriptor.digest);
      }
    }
    for await (const { name } of Deno.readDir(`${FOLDER}/blobs/sha256`)) {
      const path = `${FOLDER}/blobs/sha256/${name}`;
      if (!used.has(`sha256:${name}`) && (await Deno.stat(path)).nlink === 1) await Deno.remove(path);
    }
  }

  /** What tells a recipe, and the programs that it needs, from what they were before. */
  async #identify(recipe: LayerRecipe): Promise<string> {
    const facts: unknown[] = [GENERATION, recipe];
    for (const needed of Object.values(recipe.programs ?? {})) {
      const { size, mtime } = await Deno.stat(this.programs.get(programNameOf(needed))!);
      facts.push(size, mtime?.getTime());
    }
    if (recipe.registry !== undefined) {
      facts.push((await this.#image(rowOf(recipe.registry.image))).manifest.descriptor);
    }
    return digestOf(new TextEncoder().encode(JSON.stringify(facts))).slice("sha256:".length, "sha256:".length + 16);
  }

  /** In an order that does not depend on how they were found. */
  async #files(recipe: LayerRecipe): Promise<TarEntry[]> {
    const entries: TarEntry[] = [];
    for (const [path, mode] of Object.entries(recipe.folders ?? {})) entries.push({ path, type: "folder", mode });
    for (const [path, target] of Object.entries(recipe.links ?? {})) entries.push({ path, type: "link", target });
    for (const [path, text] of Object.entries(recipe.texts ?? {})) {
      entries.push(file(path, new TextEncoder().encode(text)));
    }
    for (const [path, source] of Object.entries(recipe.sources ?? {})) {
      entries.push(file(path, await Deno.readFile(await sourceFile(source, this.say))));
    }
    for (const [path, needed] of Object.entries(recipe.programs ?? {})) {
      const program = await Deno.readFile(this.programs.get(programNameOf(needed))!);
      entries.push(file(path, program, typeof needed === "string" ? 0o755 : needed.mode));
    }
    if (recipe.busybox === true) entries.push(...await busyboxPrograms());
    if (recipe.debian !== undefined) entries.push(...await debianFiles(recipe.debian));
    if (recipe.registry !== undefined) entries.push(...await this.#registry(recipe.registry));
    return withFolders(entries);
  }

  /** As `agnhost fake-registry-server` reads it: a file that is called by a tag holds a digest. */
  async #registry({ folder, image, repository, tag }: NonNullable<LayerRecipe["registry"]>): Promise<TarEntry[]> {
    const { manifest, config, layers } = await this.#image(rowOf(image));
    const index = platformIndex(manifest.descriptor);
    const place = `${folder}/${repository}`;
    return [
      file(`${place}/manifests/${tag}`, new TextEncoder().encode(`${index.descriptor.digest}\n`)),
      ...[index, manifest].map(({ descriptor, data }) => file(`${place}/manifests/${descriptor.digest}`, data)),
      file(`${place}/blobs/${config.descriptor.digest}`, config.data),
      ...await Promise.all(
        layers.map(async ({ descriptor }) =>
          file(`${place}/blobs/${descriptor.digest}`, await Deno.readFile(`${FOLDER}/${blobPath(descriptor.digest)}`))
        ),
      ),
    ];
  }
}

function programNameOf(needed: NonNullable<LayerRecipe["programs"]>[string]): ProgramName {
  return typeof needed === "string" ? needed : needed.program;
}

function rowOf(name: string): ImageRow {
  const row = IMAGES.find((one) => one.name === name);
  if (row === undefined) throw new Error(`Cannot put "${name}" into a layer as it must be in the table of images`);
  return row;
}

function file(path: string, data: Uint8Array, mode = 0o644): TarEntry {
  return { path, type: "file", data, mode };
}

/** Sorted by path, every one after the folders that it is in, which are made where nothing says how they are. */
export function withFolders(entries: readonly TarEntry[]): TarEntry[] {
  const byPath = new Map<string, TarEntry>();
  for (const entry of entries) {
    const parts = entry.path.split("/");
    for (let length = 1; length < parts.length; length++) {
      const path = parts.slice(0, length).join("/");
      if (!byPath.has(path)) byPath.set(path, { path, type: "folder" });
    }
    byPath.set(entry.path, entry);
  }
  return [...byPath.values()].sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Blobs are immutable: one that is there is right. */
async function keep({ descriptor, data }: Blob): Promise<void> {
  const path = `${FOLDER}/${blobPath(descriptor.digest)}`;
  if (!await exists(path)) await replace(path, data);
}
