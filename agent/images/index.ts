/** Which images this node has, and under which names: D/node/images/index.json. */
import { readJsonIfThere, writeAtomically } from "../files.ts";
import type { ImageConfig } from "../runtime/container_spec.ts";

export interface Image {
  /** Digest of the configuration: the image's identity, whatever it is called. */
  id: string;
  /** In full: docker.io/library/nginx:latest. */
  names: string[];
  /** Name and digest under which a registry has it: docker.io/library/nginx@sha256:... */
  digests: string[];
  /** Digests of the uncompressed layers, lowest first. */
  layers: string[];
  /** Digests of the layers' blobs, in the same order. */
  blobs: string[];
  sizeBytes: number;
  config: ImageConfig;
  /**
   * Which passwords opened the repositories that it was fetched from (digests of them, by registry and repository).
   * What is not named here is there for everybody (KEP-2535).
   */
  openedBy?: Record<string, string[]>;
}

interface File {
  version: 1;
  images: Image[];
}

export class ImageIndex {
  readonly #path: string;
  #images: Image[] = [];
  /** One write at a time, in order. */
  #writing: Promise<void> = Promise.resolve();

  constructor(imagesDirectory: string) {
    this.#path = `${imagesDirectory}/index.json`;
  }

  async open(): Promise<void> {
    const file = await readJsonIfThere<File>(this.#path);
    if (file !== undefined && file.version !== 1) {
      throw new Error(`Cannot read "${this.#path}" as its version must be 1: it is ${file.version}`);
    }
    this.#images = file?.images ?? [];
  }

  list(): readonly Image[] {
    return this.#images;
  }

  /** By canonical name, name with digest, or id. */
  find(name: string): Image | undefined {
    return this.#images.find((one) => one.names.includes(name) || one.digests.includes(name) || one.id === name);
  }

  /** Whether the layer of some image came from that blob. */
  hasLayer(blob: string, diffId: string): boolean {
    return this.#images.some(({ layers, blobs }) => layers.some((one, at) => one === diffId && blobs[at] === blob));
  }

  /** Adds an image or gives it more names. A name belongs to one image: the newest that bears it. */
  async add(image: Image): Promise<Image> {
    const before = this.#images.find((one) => one.id === image.id);
    const merged: Image = {
      ...image,
      names: [...new Set([...(before?.names ?? []), ...image.names])].sort(),
      digests: [...new Set([...(before?.digests ?? []), ...image.digests])].sort(),
    };
    delete merged.openedBy;
    Object.assign(merged, openedBy(before, image));
    const others = this.#images.filter((one) => one.id !== image.id).map((one) => ({
      ...one,
      names: one.names.filter((name) => !merged.names.includes(name)),
    }));
    this.#images = [...others, merged];
    await this.#write();
    return merged;
  }

  async remove(ids: ReadonlySet<string>): Promise<void> {
    this.#images = this.#images.filter((one) => !ids.has(one.id));
    await this.#write();
  }

  async #write(): Promise<void> {
    const content = JSON.stringify({ version: 1, images: this.#images } satisfies File);
    // A write that failed must not fail those after it.
    this.#writing = this.#writing.catch(() => {}).then(() => writeAtomically(this.#path, content));
    await this.#writing;
  }
}

/** One more password opens a repository; where none was needed, none is. */
function openedBy(before: Image | undefined, image: Image): Pick<Image, "openedBy"> {
  const all = { ...before?.openedBy };
  const known = new Set([...(before?.names ?? []), ...(before?.digests ?? [])].map(repositoryOf));
  for (const repository of new Set([...image.names, ...image.digests].map(repositoryOf))) {
    const now = image.openedBy?.[repository];
    if (now === undefined) delete all[repository];
    // What was there for everybody stays so.
    else if (!known.has(repository) || all[repository] !== undefined) {
      all[repository] = [...new Set([...(all[repository] ?? []), ...now])];
    }
  }
  return Object.keys(all).length === 0 ? {} : { openedBy: all };
}

function repositoryOf(name: string): string {
  return name.replace(/@.*$|:[^/]*$/, "");
}
