/** Objects from files, folders and standard input, in YAML or JSON. */
import type { KubernetesObject } from "@k3ts/client";
import { parseYamlDocuments, type YamlDocument } from "@k3ts/model/yaml";
import { Problem } from "./problem.ts";

const EXTENSIONS = [".yaml", ".yml", ".json"];

/** @param paths files, folders (their manifests in the order of their names), or `-` for standard input */
export async function readManifests(paths: readonly string[]): Promise<KubernetesObject[]> {
  const objects: KubernetesObject[] = [];
  for (const path of paths) {
    for (const file of await filesOf(path)) objects.push(...parseManifests(await read(file), file));
  }
  if (objects.length === 0) throw new Problem(`There is no object in ${paths.join(", ")}.`);
  return objects;
}

/** @param source named in errors */
export function parseManifests(text: string, source: string): KubernetesObject[] {
  return documentsOf(text, source).flatMap(({ value, duplicates: [duplicate] }) => {
    if (duplicate !== undefined) throw new Problem(`Cannot read ${source} as no key may stand twice: ${duplicate}`);
    return unpack(value, source);
  });
}

function documentsOf(text: string, source: string): YamlDocument[] {
  try {
    return parseYamlDocuments(text);
  } catch (error) {
    const reason = (error as Error).message.replace("error converting YAML to JSON: yaml: ", "");
    throw new Problem(`Cannot read ${source} as it must be YAML or JSON: ${reason}`, undefined, { cause: error });
  }
}

function unpack(value: unknown, source: string): KubernetesObject[] {
  const object = value as Partial<KubernetesObject> & { items?: unknown[] };
  if (typeof value !== "object" || !object.apiVersion || !object.kind) {
    throw new Problem(`Cannot read ${source} as every object must have apiVersion and kind.`);
  }
  if (object.kind.endsWith("List") && Array.isArray(object.items)) {
    return object.items.flatMap((item) => unpack(item, source));
  }
  if (!object.metadata?.name) {
    throw new Problem(`Cannot read ${source} as every object must have metadata.name: a ${object.kind} has none.`);
  }
  // YAML takes `yes` and `0644` for something else than they look.
  if (typeof object.metadata.name !== "string") {
    throw new Problem(`Cannot read ${source} as metadata.name must be text: it is ${object.metadata.name}; quote it.`);
  }
  return [object as KubernetesObject];
}

async function filesOf(path: string): Promise<string[]> {
  if (path === "-") return [path];
  const info = await Deno.stat(path).catch((error) => {
    throw new Problem(`Cannot read ${path}: ${error.message}`);
  });
  if (!info.isDirectory) return [path];
  const files: string[] = [];
  for await (const entry of Deno.readDir(path)) {
    if (entry.isFile && EXTENSIONS.some((extension) => entry.name.endsWith(extension))) {
      files.push(`${path}/${entry.name}`);
    }
  }
  return files.sort();
}

async function read(path: string): Promise<string> {
  return path === "-" ? await new Response(Deno.stdin.readable).text() : await Deno.readTextFile(path);
}
