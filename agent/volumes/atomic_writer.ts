/**
 * Replaces all files of a volume at once: they are links through `..data`, which one rename points at a new folder
 * (as Kubernetes's atomic writer does, so that programs that watch `..data` keep working).
 */
import { randomBytes } from "node:crypto";
import {
  change,
  type Files,
  type FileStep,
  makeDirectory,
  makeLink,
  removeFile,
  removeTree,
  renameFile,
  writeInPlace,
} from "../file_steps.ts";
import { namesIn } from "../files.ts";

export interface VolumeFile {
  content: Uint8Array<ArrayBuffer>;
  /** Such as 0o644. */
  mode: number;
  /** Whose it is, where it is not root's. */
  uid?: number;
}

/** Of all files: a group that may read them all. */
export interface Owner {
  gid?: number;
}

const GROUP_READS = 0o440;

/** By path relative to the volume; never with `..`. */
export type Payload = ReadonlyMap<string, VolumeFile>;

const DATA = "..data";
/** The link that is to become it. */
const DATA_NEW = "..data_tmp";

export interface Volume {
  directory: string;
  owner?: Owner;
  /** What makes the folder, which is empty then. */
  makes?: readonly FileStep[];
}

/** True when something was written. */
export async function writePayload(
  files: Files,
  { directory, owner = {}, makes }: Volume,
  given: Payload,
): Promise<boolean> {
  const payload = forOwner(given, owner);
  if (makes !== undefined) {
    await change(files, [...makes, ...planPayload(directory, payload, owner, [])]);
    return true;
  }
  const current = await Deno.readLink(`${directory}/${DATA}`).catch(() => undefined);
  const isCurrent = current !== undefined && await isSame(`${directory}/${current}`, payload);
  const found = await namesIn(directory);
  const steps = isCurrent ? planLinks(directory, payload, found) : planPayload(directory, payload, owner, found);
  await change(files, steps);
  return !isCurrent;
}

function forOwner(given: Payload, owner: Owner): Payload {
  if (owner.gid === undefined) return given;
  return new Map([...given].map(([path, file]) => [path, { ...file, mode: file.mode | GROUP_READS }]));
}

/** What replaces all files. Pure but for the new folder's name. @param found the names in the volume's folder */
export function planPayload(directory: string, payload: Payload, owner: Owner, found: readonly string[]): FileStep[] {
  for (const path of payload.keys()) refuseOutside(path);
  const fresh = `..${new Date().toISOString().replace(/[-:]/g, "_")}.${randomBytes(4).toString("hex")}`;
  const folders = new Set(["", ...payload.keys().map((path) => path.split("/").slice(0, -1).join("/"))]);
  return [
    ...folders.values().map((folder) => makeDirectory(folderOf(`${directory}/${fresh}`, folder), 0o755)),
    ...payload.entries().map(([path, { content, mode, uid = 0 }]) =>
      writeInPlace(`${directory}/${fresh}/${path}`, content, { mode, uid, gid: owner.gid ?? 0 })
    ),
    ...found.includes(DATA_NEW) ? [removeFile(`${directory}/${DATA_NEW}`)] : [],
    makeLink(fresh, `${directory}/${DATA_NEW}`),
    renameFile(`${directory}/${DATA_NEW}`, `${directory}/${DATA}`),
    ...planLinks(directory, payload, found),
    // The folders that an earlier write, or one that was cut short, has left.
    ...found.filter((name) => name.startsWith("..") && name !== DATA && name !== DATA_NEW)
      .map((name) => removeTree(`${directory}/${name}`)),
  ];
}

function folderOf(root: string, folder: string): string {
  return folder === "" ? root : `${root}/${folder}`;
}

/** What users see: one link for each first part of a path. */
function planLinks(directory: string, payload: Payload, found: readonly string[]): FileStep[] {
  const wanted = new Set(payload.keys().map((path) => path.split("/")[0]!));
  const seen = new Set(found.filter((name) => !name.startsWith("..")));
  return [
    ...seen.difference(wanted).values().map((name) => removeTree(`${directory}/${name}`)),
    ...wanted.difference(seen).values().map((name) => makeLink(`${DATA}/${name}`, `${directory}/${name}`)),
  ];
}

function refuseOutside(path: string): void {
  const parts = path.split("/");
  if (path === "" || path.startsWith("/") || parts.includes("..") || parts[0]!.startsWith("..")) {
    throw new Error(`Cannot write "${path}" as a path in a volume must be relative and must not begin with ".."`);
  }
}

async function isSame(directory: string, payload: Payload): Promise<boolean> {
  const found = await filesBelow(directory, "");
  if (found.length !== payload.size) return false;
  for (const path of found) {
    const file = payload.get(path);
    if (file === undefined) return false;
    const [bytes, stat] = await Promise.all([Deno.readFile(`${directory}/${path}`), Deno.stat(`${directory}/${path}`)]);
    if (((stat.mode ?? 0) & 0o7777) !== file.mode || bytes.length !== file.content.length) return false;
    if (bytes.some((byte, at) => byte !== file.content[at])) return false;
  }
  return true;
}

async function filesBelow(root: string, below: string): Promise<string[]> {
  const found: string[] = [];
  for (const name of await namesIn(`${root}/${below}`)) {
    const path = below === "" ? name : `${below}/${name}`;
    if ((await Deno.lstat(`${root}/${path}`)).isDirectory) found.push(...await filesBelow(root, path));
    else found.push(path);
  }
  return found;
}
