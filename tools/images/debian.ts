/** Takes single programs out of Debian packages, with the libraries that they load; nothing is installed. */
import { dirname } from "node:path";
import { output } from "../run.ts";
import type { TarEntry } from "../tar.ts";
import type { DebianPart } from "./layers.ts";

/** Where programs look for their loader, which knows the folder of the libraries. */
const MACHINES: Record<string, { libraries: string; loader: string }> = {
  x86_64: { libraries: "x86_64-linux-gnu", loader: "lib64/ld-linux-x86-64.so.2" },
  aarch64: { libraries: "aarch64-linux-gnu", loader: "lib/ld-linux-aarch64.so.1" },
};

/**
 * ICU's tables take 31 MB, and what loads ICU here (dig, by way of libxml2) converts no text with it. ICU takes a
 * library without them for one that has none.
 */
const WITHOUT_TABLES = /^libicudata\.so\.(\d+)$/;

export async function debianFiles({ packages, programs, files = [] }: DebianPart): Promise<TarEntry[]> {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-debian-" });
  const root = `${folder}/root`;
  try {
    await unpack(packages, folder, root);
    const entries: TarEntry[] = [];
    for (const [path, source] of Object.entries(programs)) entries.push(await fileOf(`${root}/${source}`, path, 0o755));
    for (const path of files) entries.push(await fileOf(`${root}/${path}`, path, 0o644));
    return [...entries, ...await libraries(root, Object.values(programs))];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** These packages and all that they depend on, as on a machine on which there is nothing yet. */
async function unpack(packages: readonly string[], folder: string, root: string): Promise<void> {
  const archives = `${folder}/archives`;
  await Deno.mkdir(`${archives}/partial`, { recursive: true });
  const status = `${archives}/status`;
  await Deno.writeTextFile(status, "");
  const settings = {
    "Dir::State::status": status,
    "Dir::Cache::archives": archives,
    "Dir::Cache::pkgcache": "",
    "Dir::Cache::srcpkgcache": "",
    "pkgCacheGen::Essential": "none",
    "APT::Install-Recommends": "false",
    "APT::Sandbox::User": "root",
    "Debug::NoLocking": "true",
  };
  const apt = ["apt-get", "-qq", ...Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  const install = [...apt, "-y", "install", ...packages];
  // What is known of the packages may be missing, or older than what is there to fetch.
  await output([...install, "--download-only"]).catch(async () => {
    await output(["apt-get", "update", "-qq"]);
    await output([...install, "--download-only"]);
  });
  const planned = await output([...install, "--simulate"]);
  for (const name of archivesOf(planned)) await output(["dpkg-deb", "-x", `${archives}/${name}`, root]);
}

/** The files that a simulated installation would use: `Inst curl (7.88.1-10 Debian:12 [amd64])`. */
export function archivesOf(simulation: string): string[] {
  return [...simulation.matchAll(/^Inst (\S+) \((\S+) .*\[(\w+)\]\)/gm)]
    .map(([, name, version, architecture]) => `${name}_${version!.replaceAll(":", "%3a")}_${architecture}.deb`)
    .sort();
}

/** What the loader of that root loads for these programs, and the loader. */
async function libraries(root: string, programs: readonly string[]): Promise<TarEntry[]> {
  const machine = MACHINES[Deno.build.arch];
  if (machine === undefined) throw new Error(`Cannot take Debian's programs as this machine is a ${Deno.build.arch}`);
  const places = ["lib", "usr/lib"].map((folder) => `${root}/${folder}/${machine.libraries}`);
  const loader = `${places[0]}/${machine.loader.replace(/^.*\//, "")}`;
  const found = new Map<string, string>();
  for (const program of programs) {
    const list = [loader, "--inhibit-cache", "--library-path", places.join(":"), "--list", `${root}/${program}`];
    for (const [, name, path] of (await output(list)).matchAll(/^\s*(\S+) => (.+?)(?: \(0x[0-9a-f]+\))?$/gm)) {
      // The machine's own would only be there by chance.
      if (!path!.startsWith(`${root}/`)) throw new Error(`Cannot take "${program}" as no package has ${name}: ${path}`);
      if (name !== `/${machine.loader}`) found.set(name!, path!);
    }
  }
  const entries = [await fileOf(loader, machine.loader, 0o755)];
  for (const [name, path] of found) {
    const place = `usr/lib/${machine.libraries}/${name}`;
    const version = WITHOUT_TABLES.exec(name)?.[1];
    entries.push(await fileOf(version === undefined ? path : await emptyTables(root, name, version), place, 0o644));
  }
  return entries;
}

async function emptyTables(root: string, name: string, version: string): Promise<string> {
  const path = `${root}/${name}`;
  await Deno.writeTextFile(`${path}.c`, `const char icudt${version}_dat[32] __attribute__((aligned(16))) = { 32 };\n`);
  await output(["cc", "-shared", "-nostdlib", "-s", `-Wl,-soname,${name}`, "-o", path, `${path}.c`]);
  return path;
}

async function fileOf(source: string, path: string, mode: number): Promise<TarEntry> {
  try {
    return { path, type: "file", mode, data: await Deno.readFile(source) };
  } catch (error) {
    throw new Error(`Cannot take ${path} as a package must have it: there is no ${source} beside ${dirname(source)}`, {
      cause: error,
    });
  }
}
