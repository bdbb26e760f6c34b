/** The machine's devices, which a privileged container sees as its own. */
import type { OciDevice } from "./oci.ts";

/** Folders of /dev that every container has one of its own of. */
const OWN = new Set(["pts", "shm", "mqueue", "fd", "hugepages"]);
/** Made by the runtime in every container. */
const MADE = new Set(["console", "ptmx", "null", "zero", "full", "random", "urandom", "tty"]);
/** Deeper than any device lies. */
const DEPTH_MAX = 4;

export async function hostDevices(folder = "/dev", depth = DEPTH_MAX): Promise<OciDevice[]> {
  const devices: OciDevice[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory && depth > 0 && !OWN.has(name)) devices.push(...await hostDevices(path, depth - 1));
    if (isDirectory || isSymlink || (depth === DEPTH_MAX && MADE.has(name))) continue;
    const device = await deviceAt(path);
    if (device !== undefined) devices.push(device);
  }
  return devices;
}

/** Undefined for what is none, or has gone meanwhile. */
async function deviceAt(path: string): Promise<OciDevice | undefined> {
  const stat = await Deno.lstat(path).catch(() => undefined);
  if (stat === undefined || stat.rdev === null) return undefined;
  const type = stat.isCharDevice ? "c" : stat.isBlockDevice ? "b" : undefined;
  if (type === undefined) return undefined;
  // As glibc's makedev(3) packs them.
  const number = BigInt(stat.rdev);
  return {
    path,
    type,
    major: Number(((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn)),
    minor: Number((number & 0xffn) | ((number >> 12n) & ~0xffn)),
    fileMode: (stat.mode ?? 0) & 0o777,
    uid: stat.uid ?? 0,
    gid: stat.gid ?? 0,
  };
}
