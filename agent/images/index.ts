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

  /** Adds an image or gives it more names. A name belongs to one image: the newest that bears it. */
  async add(image: Image): Promise<Image> {
    const before = this.#images.find((one) => one.id === image.id);
    const merged: Image = {
      ...image,
      names: [...new Set([...(before?.names ?? []), ...image.names])].sort(),
      digests: [...new Set([...(before?.digests ?? []), ...image.digests])].sort(),
    };
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
