/** Objects from files, folders and standard input, in YAML or JSON. */
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "@k3ts/client";
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
  return parseAllDocuments(text, { merge: true }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new Problem(`Cannot read ${source} as it must be YAML or JSON: ${error.message}`);
    const value: unknown = document.toJS();
    return value === null || value === undefined ? [] : unpack(value, source);
  });
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
