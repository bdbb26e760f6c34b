/**
 * Compiles the native parts once for all checkouts on the machine: what was built stands in
 * `CACHE/native/<hash of the sources>`, and the checkout links to it.
 */
import { createHash } from "node:crypto";
import { inTarget, sources, WORKSPACE } from "./cargo.ts";
import { elapsed } from "./elapsed.ts";
import { CACHE, NATIVE_LINK } from "./paths.ts";

/** What the shim is compiled for: static, so that it is small and starts fast. */
export const MUSL_TARGET: string = `${Deno.build.arch}-unknown-linux-musl`;

/** What the build leaves behind: where cargo puts it, and its name in the folder of native parts. */
const PRODUCTS = [
  { from: "release/libk3ts.so", to: "libk3ts.so" },
  { from: "release/k3ts-supervisor", to: "k3ts-supervisor" },
  { from: "release/k3ts-gateway", to: "k3ts-gateway" },
  { from: "release/k3ts-dataplane", to: "k3ts-dataplane" },
  { from: `${MUSL_TARGET}/release/k3ts-shim`, to: "k3ts-shim" },
];

/** What cargo is told to build. */
const BUILDS = [
  ["abi", "supervisor", "gateway", "dataplane"].flatMap((name) => ["-p", `k3ts-${name}`]),
  ["--target", MUSL_TARGET, "-p", "k3ts-shim"],
];

/** How long what was built is kept for checkouts that do not ask for it. */
const UNUSED_MS_MAX = 14 * 24 * 3_600_000;

/** Seconds of one core that a build from nothing took when it was last measured. */
const COLD_BUILD_CPU_SECONDS = 900;

/** @returns the folder of native parts for the sources as they are now. */
export async function ensureNative(say: (line: string) => void): Promise<string> {
  const folder = `${CACHE}/native/${await hashOfSources()}`;
  if (!await isComplete(folder)) {
    await build(folder, say);
    await forgetUnused();
  }
  const now = new Date();
  await Deno.utime(folder, now, now);
  await link(folder);
  return folder;
}

/** What no checkout has asked for in a while. */
async function forgetUnused(): Promise<void> {
  for await (const { name } of Deno.readDir(`${CACHE}/native`)) {
    const folder = `${CACHE}/native/${name}`;
    const used = (await Deno.stat(folder)).mtime?.getTime() ?? 0;
    if (Date.now() - used > UNUSED_MS_MAX) await Deno.remove(folder, { recursive: true });
  }
}

async function hashOfSources(): Promise<string> {
  const hash = createHash("sha256").update(`${Deno.build.target}\n`);
  const files = (await sources(WORKSPACE)).filter((path) => !path.slice(WORKSPACE.length).includes("/tests/")).sort();
  for (const path of files) {
    hash.update(`${path.slice(WORKSPACE.length)}\0`).update(await Deno.readFile(path)).update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

async function isComplete(folder: string): Promise<boolean> {
  const present = await Promise.all(
    PRODUCTS.map(({ to }) => Deno.stat(`${folder}/${to}`).then(() => true, () => false)),
  );
  return present.every(Boolean);
}

async function build(folder: string, say: (line: string) => void): Promise<void> {
  const minutes = Math.ceil(COLD_BUILD_CPU_SECONDS / 60 / navigator.hardwareConcurrency);
  say(`Compiling the native parts: up to ${minutes} minutes the first time on this machine, much less after that.`);
  const started = Date.now();
  let crates = 0;
  const tail: string[] = [];
  const timer = setInterval(() => say(`  ${crates} crates compiled, ${elapsed(started)}`), 20_000);
  const onLine = (line: string) => {
    if (/^\s+Compiling /.test(line)) crates++;
    tail.push(line);
    if (tail.length > 60) tail.shift();
  };
  try {
    await inTarget(async (cargo, target) => {
      for (const words of BUILDS) {
        const code = await cargo(["build", "--release", "--locked", ...words], { onLine });
        if (code !== 0) {
          throw new Error(`Cannot compile the native parts: cargo ended with exit ${code}\n${tail.join("\n")}`);
        }
      }
      await keep(target, folder);
    });
  } finally {
    clearInterval(timer);
  }
  say(`Native parts compiled in ${elapsed(started)}.`);
}

/** Copies what was built, all or nothing. */
async function keep(target: string, folder: string): Promise<void> {
  const staging = `${folder}.${Deno.pid}`;
  await Deno.mkdir(staging, { recursive: true });
  for (const { from, to } of PRODUCTS) await Deno.copyFile(`${target}/${from}`, `${staging}/${to}`);
  await Deno.rename(staging, folder).catch(async (error) => {
    // Another checkout finished the same build first: its result is as good.
    await Deno.remove(staging, { recursive: true });
    if (!await isComplete(folder)) throw error;
  });
}

async function link(folder: string): Promise<void> {
  if (await Deno.readLink(NATIVE_LINK).catch(() => undefined) === folder) return;
  await Deno.mkdir(NATIVE_LINK.slice(0, NATIVE_LINK.lastIndexOf("/")), { recursive: true });
  const next = `${NATIVE_LINK}.${Deno.pid}`;
  await Deno.symlink(folder, next);
  await Deno.rename(next, NATIVE_LINK);
}
