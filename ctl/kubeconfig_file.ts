/** Kubeconfig files as they are written: entries by name, everything else of the file left as it was. */
import { type Document, isMap, isSeq, parseDocument, type YAMLMap } from "yaml";
import { dirname } from "node:path";
import { Problem } from "./problem.ts";

export type Section = "clusters" | "users" | "contexts";
const INNER: Record<Section, string> = { clusters: "cluster", users: "user", contexts: "context" };

const EMPTY = "apiVersion: v1\nkind: Config\n";

export class KubeconfigFile {
  private constructor(readonly path: string, readonly document: Document) {}

  /** A file that is not there yet is empty. @throws {Problem} when it is something else */
  static async open(path: string): Promise<KubeconfigFile> {
    let text = "";
    try {
      text = await Deno.readTextFile(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) {
        throw new Problem(`Cannot read ${path}: ${(error as Error).message}`);
      }
    }
    return KubeconfigFile.parse(path, text);
  }

  static parse(path: string, text: string): KubeconfigFile {
    const parsed = parseDocument(text);
    const [error] = parsed.errors;
    if (error !== undefined) throw new Problem(`Cannot read ${path} as it must be YAML: ${error.message}`);
    const document = parsed.contents === null ? parseDocument(EMPTY) : parsed;
    if (!isMap(document.contents)) throw new Problem(`Cannot read ${path} as it must be a kubeconfig: it is none.`);
    return new KubeconfigFile(path, document as Document);
  }

  get currentContext(): string | undefined {
    const name: unknown = this.document.get("current-context");
    return typeof name === "string" && name !== "" ? name : undefined;
  }

  set currentContext(name: string | undefined) {
    this.document.set("current-context", name ?? "");
  }

  names(section: Section): string[] {
    return this.#rows(section).map((row) => String(row.get("name")));
  }

  /** The entry's own fields. */
  get(section: Section, name: string): Record<string, unknown> | undefined {
    const inner = this.#row(section, name)?.toJSON() as Record<string, unknown> | undefined;
    return inner === undefined ? undefined : (inner[INNER[section]] ?? {}) as Record<string, unknown>;
  }

  /** In place of what the entry was. @returns whether there was one */
  set(section: Section, name: string, value: Record<string, unknown>): boolean {
    const row = this.#row(section, name);
    if (row !== undefined) {
      row.set(INNER[section], this.document.createNode(value));
      return true;
    }
    const list = this.document.get(section);
    if (isSeq(list)) list.add(this.document.createNode({ name, [INNER[section]]: value }));
    else this.document.set(section, this.document.createNode([{ name, [INNER[section]]: value }]));
    return false;
  }

  remove(section: Section, name: string): boolean {
    const list = this.document.get(section);
    const row = this.#row(section, name);
    if (!isSeq(list) || row === undefined) return false;
    list.items = list.items.filter((item) => item !== row);
    return true;
  }

  /** Takes over all entries of another, in place of those of the same name. */
  merge(other: KubeconfigFile): void {
    for (const section of Object.keys(INNER) as Section[]) {
      for (const name of other.names(section)) this.set(section, name, other.get(section, name)!);
    }
  }

  toString(): string {
    return this.document.toString({ lineWidth: 0 });
  }

  /** As a whole, for its owner alone: it holds keys. */
  async write(): Promise<void> {
    try {
      await Deno.mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
      // A link stays one.
      const path = await Deno.realPath(this.path).catch(() => this.path);
      await Deno.writeTextFile(`${path}.k3ts-next`, this.toString(), { mode: 0o600 });
      await Deno.rename(`${path}.k3ts-next`, path);
    } catch (error) {
      throw new Problem(`Cannot write ${this.path}: ${(error as Error).message}`);
    }
  }

  #rows(section: Section): YAMLMap[] {
    const list = this.document.get(section);
    return isSeq(list) ? list.items.filter((item) => isMap(item)) : [];
  }

  #row(section: Section, name: string): YAMLMap | undefined {
    return this.#rows(section).find((row) => row.get("name") === name);
  }
}
