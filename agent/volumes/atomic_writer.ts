/**
 * Replaces all files of a volume at once: they are links through `..data`, which one rename points at a new folder
 * (as Kubernetes's atomic writer does, so that programs that watch `..data` keep working).
 */
import { randomBytes } from "node:crypto";
import { dirname } from "node:path";
import { namesIn, removeIfThere } from "../files.ts";

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

/** True when something was written. */
export async function writePayload(directory: string, given: Payload, owner: Owner = {}): Promise<boolean> {
  const payload: Payload = owner.gid === undefined
    ? given
    : new Map([...given].map(([path, file]) => [path, { ...file, mode: file.mode | GROUP_READS }]));
  for (const path of payload.keys()) refuseOutside(path);
  const current = await Deno.readLink(`${directory}/${DATA}`).catch(() => undefined);
  if (current !== undefined && await isSame(`${directory}/${current}`, payload)) {
    await link(directory, payload);
    return false;
  }
  const fresh = `..${new Date().toISOString().replace(/[-:]/g, "_")}.${randomBytes(4).toString("hex")}`;
  await Deno.mkdir(`${directory}/${fresh}`, { mode: 0o755 });
  await Deno.chmod(`${directory}/${fresh}`, 0o755);
  for (const [path, file] of payload) await writeFile(`${directory}/${fresh}`, path, file, owner);
  await removeIfThere(`${directory}/${DATA}_tmp`);
  await Deno.symlink(fresh, `${directory}/${DATA}_tmp`);
  await Deno.rename(`${directory}/${DATA}_tmp`, `${directory}/${DATA}`);
  await link(directory, payload);
  await sweep(directory, fresh);
  return true;
}

function refuseOutside(path: string): void {
  const parts = path.split("/");
  if (path === "" || path.startsWith("/") || parts.includes("..") || parts[0]!.startsWith("..")) {
    throw new Error(`Cannot write "${path}" as a path in a volume must be relative and must not begin with ".."`);
  }
}

async function writeFile(
  root: string,
  path: string,
  file: VolumeFile,
  owner: Owner,
): Promise<void> {
  const target = `${root}/${path}`;
  await Deno.mkdir(dirname(target), { recursive: true, mode: 0o755 });
  await Deno.writeFile(target, file.content, { mode: file.mode });
  // The mode given to open is cut by the umask.
  await Deno.chmod(target, file.mode);
  if (file.uid !== undefined || owner.gid !== undefined) await Deno.chown(target, file.uid ?? 0, owner.gid ?? 0);
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

/** What users see: one link for each first part of a path. */
async function link(directory: string, payload: Payload): Promise<void> {
  const wanted = new Set([...payload.keys()].map((path) => path.split("/")[0]!));
  for (const name of await namesIn(directory)) {
    if (!name.startsWith("..") && !wanted.has(name)) await removeIfThere(`${directory}/${name}`, { recursive: true });
    if (!name.startsWith("..")) wanted.delete(name);
  }
  for (const name of wanted) await Deno.symlink(`${DATA}/${name}`, `${directory}/${name}`);
}

/** Removes the folders that an earlier write, or one that was cut short, has left. */
async function sweep(directory: string, current: string): Promise<void> {
  for (const name of await namesIn(directory)) {
    if (name.startsWith("..") && name !== DATA && name !== current) {
      await removeIfThere(`${directory}/${name}`, { recursive: true });
    }
  }
}
