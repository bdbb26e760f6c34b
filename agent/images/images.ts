/**
 * The images of this node: fetched from registries, imported from archives, unpacked for containers.
 *
 * Layers are unpacked once, natively, each into a directory of its own that overlayfs stacks; blobs stay for as long
 * as their image does. Work on one image or layer happens once, however many ask for it at the same time.
 */
import type { ImageService } from "@k3ts/proto";
import type { Client } from "@connectrpc/connect";
import { explain } from "@k3ts/client/telemetry";
import { exists, removeIfThere } from "../files.ts";
import { Blobs, digestOf, hexOf } from "./blobs.ts";
import { type Image, ImageIndex } from "./index.ts";
import {
  choosePlatform,
  type Descriptor,
  DOCUMENT_BYTES_MAX,
  type Index,
  isIndex,
  LAYER_BYTES_MAX,
  machineArchitecture,
  type Manifest,
  readImageFile,
} from "./oci.ts";
import { digestOfCredentials } from "./credentials.ts";
import { readLayout } from "./layout.ts";
import { canonical, canonicalName, type ImageReference, parseReference } from "./reference.ts";
import { endpointsFor, readRegistries } from "./registries.ts";
import { type Credentials, Registry } from "./registry.ts";

export type ImageNative = Pick<Client<typeof ImageService>, "unpackLayer" | "extractArchive">;

/** Layers fetched and unpacked at the same time, per image. */
const LAYERS_AT_ONCE = 3;
/** Pulls at the same time; the others wait their turn. */
const PULLS_AT_ONCE = 4;
/** As overlayfs in Linux has it. */
const LAYERS_MAX = 127;

export class Images {
  readonly blobs: Blobs;
  readonly index: ImageIndex;
  readonly #directory: string;
  readonly #native: ImageNative;
  readonly #registriesFile: string;
  /** Images are taken in by many at a time, and removed by one alone: what one needs the other would take away. */
  readonly #taking = new Gate();
  readonly #pulls = new Map<string, Promise<{ image: Image; tookMs: number }>>();
  readonly #unpacks = new Map<string, Promise<void>>();
  readonly #slots = new Slots(PULLS_AT_ONCE);

  /** @param registriesFile where mirrors and passwords stand, if there is such a file */
  constructor(imagesDirectory: string, native: ImageNative, registriesFile: string) {
    this.#directory = imagesDirectory;
    this.#native = native;
    this.#registriesFile = registriesFile;
    this.blobs = new Blobs(imagesDirectory);
    this.index = new ImageIndex(imagesDirectory);
  }

  async open(): Promise<void> {
    await this.blobs.open();
    await Deno.mkdir(`${this.#directory}/layers`, { recursive: true, mode: 0o700 });
    await this.index.open();
  }

  /** By the name that a pod uses; undefined when it is not here. */
  find(name: string): Image | undefined {
    return this.index.find(name.startsWith("sha256:") ? name : canonical(name));
  }

  /**
   * Fetches what the registry has under that name now; what is here already is not fetched again. `tookMs` is without
   * the time for which it waited for its turn.
   */
  pull(
    name: string,
    credentials: readonly Credentials[],
    signal: AbortSignal,
  ): Promise<{ image: Image; tookMs: number }> {
    // Whoever comes with a password of his own is not answered with another's.
    const key = `${canonical(name)} ${digestOf(new TextEncoder().encode(JSON.stringify(credentials)))}`;
    const running = this.#pulls.get(key);
    if (running !== undefined) return running;
    const pull = this.#slots.run(async () => {
      const began = performance.now();
      const image = await this.#taking.share(() => this.#pull(parseReference(name), credentials, signal));
      return { image, tookMs: performance.now() - began };
    }).finally(() => this.#pulls.delete(key));
    this.#pulls.set(key, pull);
    return pull;
  }

  /** From the first place that has it. */
  async #pull(
    reference: ImageReference,
    credentials: readonly Credentials[],
    signal: AbortSignal,
  ): Promise<Image> {
    const errors: unknown[] = [];
    for (const endpoint of endpointsFor(reference, await readRegistries(this.#registriesFile))) {
      // A pod's passwords are for the registry that it names, and for nobody who stands in for it.
      const own = endpoint.isMirror ? [] : credentials;
      const all = [...own, ...(endpoint.credentials === undefined ? [] : [endpoint.credentials])];
      try {
        using registry = await Registry.open(reference, endpoint, all);
        return await this.#pullFrom(registry, reference, own, signal);
      } catch (error) {
        signal.throwIfAborted();
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    throw new Error(
      `Cannot fetch "${canonicalName(reference)}" as a mirror or its registry must have it: ${
        errors.map(explain).join("; ")
      }`,
    );
  }

  /** @param own the passwords that are the pod's and not the node's */
  async #pullFrom(
    registry: Registry,
    reference: ImageReference,
    own: readonly Credentials[],
    signal: AbortSignal,
  ): Promise<Image> {
    const top = await registry.manifest(reference.digest ?? reference.tag!, signal);
    let document = readDocument(top.bytes);
    if (isIndex(document)) {
      const chosen = choosePlatform(document, machineArchitecture());
      document = readDocument((await registry.manifest(chosen.digest, signal)).bytes);
    }
    if (isIndex(document)) {
      throw new Error(`Cannot use image "${canonicalName(reference)}" as its index must list manifests`);
    }
    await registry.blob(document.config, DOCUMENT_BYTES_MAX, this.blobs, signal);
    const manifest = document;
    const repository = `${reference.registry}/${reference.repository}`;
    const used = registry.used !== undefined && own.includes(registry.used) ? registry.used : undefined;
    return await this.#takeIn(manifest, {
      names: [canonicalName(reference)],
      digests: [`${repository}@${top.digest}`],
      ...(used !== undefined && { openedBy: { [repository]: [digestOfCredentials(used)] } }),
    }, (layer) => registry.blob(layer, LAYER_BYTES_MAX, this.blobs, signal));
  }

  /** Brings in layer by layer, unpacks each, and only then lets the image be found. */
  async #takeIn(
    manifest: Manifest,
    called: Pick<Image, "names" | "digests" | "openedBy">,
    bring: (layer: Descriptor) => Promise<void>,
  ): Promise<Image> {
    const file = readImageFile(await this.blobs.read(manifest.config.digest));
    const layers = file.rootfs.diff_ids;
    if (layers.length !== manifest.layers.length || layers.length > LAYERS_MAX) {
      throw new Error(
        `Cannot use an image as its ${manifest.layers.length} layers must each have a digest, and be ${LAYERS_MAX} at most: there are ${layers.length}`,
      );
    }
    const slots = new Slots(LAYERS_AT_ONCE);
    await Promise.all(manifest.layers.map((layer, at) =>
      slots.run(async () => {
        await bring(layer);
        await this.#unpack(layer, layers[at]!);
      })
    ));
    return await this.index.add({
      id: manifest.config.digest,
      ...called,
      layers,
      blobs: manifest.layers.map((one) => one.digest),
      sizeBytes: manifest.layers.reduce((sum, one) => sum + one.size, manifest.config.size),
      config: file.config ?? {},
    });
  }

  async #unpack(layer: Descriptor, diffId: string): Promise<void> {
    // What is unpacked already is read again, unless it is known to be what this blob holds.
    if (this.index.hasLayer(layer.digest, diffId) && await exists(this.layerPath(diffId))) return;
    const key = `${layer.digest} ${diffId}`;
    const running = this.#unpacks.get(key);
    if (running !== undefined) return await running;
    const unpack = this.#native.unpackLayer({
      blob: this.blobs.path(layer.digest),
      mediaType: layer.mediaType,
      diffId,
      target: this.layerPath(diffId),
    }).then(() => {}).finally(() => this.#unpacks.delete(key));
    this.#unpacks.set(key, unpack);
    await unpack;
  }

  /**
   * Where a layer lies. Short on purpose: the kernel takes one page of mount options for all layers of an image.
   */
  layerPath(diffId: string): string {
    return `${this.#directory}/layers/${hexOf(diffId).slice(0, 24)}`;
  }

  /**
   * Takes in what an OCI layout (a directory or an archive of one) or a Docker archive holds.
   *
   * @param name what to call the image where the archive does not say
   */
  import(path: string, name?: string): Promise<Image[]> {
    return this.#taking.share(() => this.#import(path, name));
  }

  async #import(path: string, name?: string): Promise<Image[]> {
    const stat = await Deno.stat(path).catch((error) => {
      throw new Error(`Cannot import "${path}" as it must be a file or a folder that can be read`, { cause: error });
    });
    if (stat.isDirectory) return await this.#importDirectory(path, name);
    const directory = await Deno.makeTempDir({ dir: this.#directory, prefix: "import-" });
    try {
      await this.#native.extractArchive({ archive: path, target: `${directory}/content` });
      return await this.#importDirectory(`${directory}/content`, name);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  }

  /** Takes images away, with the blobs and layers that no other image has. Nothing may use them. */
  remove(ids: ReadonlySet<string>): Promise<void> {
    return this.#taking.alone(async () => {
      const gone = this.index.list().filter((one) => ids.has(one.id));
      // Nobody finds them any more, before anything of them goes.
      await this.index.remove(ids);
      const left = this.index.list();
      const blobs = new Set(left.flatMap((one) => [one.id, ...one.blobs]));
      const layers = new Set(left.flatMap((one) => one.layers));
      for (const image of gone) {
        for (const blob of [image.id, ...image.blobs]) if (!blobs.has(blob)) await this.blobs.remove(blob);
        for (const layer of image.layers) {
          if (!layers.has(layer)) await removeIfThere(this.layerPath(layer), { recursive: true });
        }
      }
    });
  }

  async #importDirectory(directory: string, name?: string): Promise<Image[]> {
    const entries = await readLayout(directory, name);
    const images: Image[] = [];
    for (const entry of entries) {
      const { digest } = entry.manifest.config;
      await this.blobs.take(digest, await entry.file(digest));
      images.push(
        await this.#takeIn(
          entry.manifest,
          { names: entry.names, digests: entry.digests },
          async (layer) => await this.blobs.take(layer.digest, await entry.file(layer.digest)),
        ),
      );
    }
    return images;
  }
}

function readDocument(bytes: Uint8Array): Manifest | Index {
  const document = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Manifest & Index> & {
    schemaVersion?: number;
  };
  if (Array.isArray(document.manifests) || (document.config !== undefined && Array.isArray(document.layers))) {
    return document as Manifest | Index;
  }
  throw new Error(
    `Cannot use manifest ${digestOf(bytes)} as it must be of schema 2: it is of ${document.schemaVersion}`,
  );
}

/** Lets many share, or one be alone. Whoever wants to be alone waits for those that share, and those after it for it. */
class Gate {
  #alone: Promise<unknown> = Promise.resolve();
  readonly #sharing = new Set<Promise<unknown>>();

  async share<T>(task: () => Promise<T>): Promise<T> {
    await this.#alone;
    const running = task();
    this.#sharing.add(running);
    try {
      return await running;
    } finally {
      this.#sharing.delete(running);
    }
  }

  alone<T>(task: () => Promise<T>): Promise<T> {
    const running = this.#alone.then(() => Promise.allSettled(this.#sharing)).then(task);
    this.#alone = running.catch(() => {});
    return running;
  }
}

/** Lets a number of tasks run at a time; the others wait in order. */
class Slots {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(count: number) {
    this.#free = count;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#free--;
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
