/**
 * Compiles the native parts once for all checkouts on the machine: what was built stands in
 * `CACHE/native/<hash of the sources>`, and the checkout links to it.
 */
import { createHash } from "node:crypto";
import { elapsed } from "./elapsed.ts";
import { CACHE, NATIVE_LINK, ROOT } from "./paths.ts";
import { run } from "./run.ts";

const WORKSPACE = `${ROOT}/ffi`;
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

/** Seconds of one core that a build from nothing took when it was last measured. */
const COLD_BUILD_CPU_SECONDS = 900;

/** @returns the folder of native parts for the sources as they are now. */
export async function ensureNative(say: (line: string) => void): Promise<string> {
  const folder = `${CACHE}/native/${await hashOfSources()}`;
  if (!await isComplete(folder)) await build(folder, say);
  await link(folder);
  return folder;
}

async function hashOfSources(): Promise<string> {
  const hash = createHash("sha256").update(`${Deno.build.target}\n`);
  const files = (await sources(WORKSPACE)).sort();
  for (const path of files) {
    hash.update(`${path.slice(WORKSPACE.length)}\0`).update(await Deno.readFile(path)).update("\0");
  }
  return hash.digest("hex").slice(0, 16);
}

async function sources(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory && entry.name !== "target" && entry.name !== "tests") found.push(...await sources(path));
    if (entry.isFile && /\.rs$|^Cargo\.(toml|lock)$/.test(entry.name)) found.push(path);
  }
  return found;
}

async function isComplete(folder: string): Promise<boolean> {
  const present = await Promise.all(
    PRODUCTS.map(({ to }) => Deno.stat(`${folder}/${to}`).then(() => true, () => false)),
  );
  return present.every(Boolean);
}

async function build(folder: string, say: (line: string) => void): Promise<void> {
  const target = cargoTarget();
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
    await cargo(
      [
        "build",
        "--release",
        "--locked",
        "-p",
        "k3ts-abi",
        "-p",
        "k3ts-supervisor",
        "-p",
        "k3ts-gateway",
        "-p",
        "k3ts-dataplane",
      ],
      onLine,
      tail,
    );
    await cargo(["build", "--release", "--locked", "--target", MUSL_TARGET, "-p", "k3ts-shim"], onLine, tail);
  } finally {
    clearInterval(timer);
  }
  const staging = `${folder}.${Deno.pid}`;
  await Deno.mkdir(staging, { recursive: true });
  for (const { from, to } of PRODUCTS) await Deno.copyFile(`${target}/${from}`, `${staging}/${to}`);
  await Deno.rename(staging, folder).catch(async (error) => {
    // Another checkout finished the same build first: its result is as good.
    await Deno.remove(staging, { recursive: true });
    if (!await isComplete(folder)) throw error;
  });
  say(`Native parts compiled in ${elapsed(started)}.`);
}

/** Cargo's target folder, outside the checkout so that a fresh clone builds in seconds. */
export function cargoTarget(): string {
  return Deno.env.get("CARGO_TARGET_DIR") ?? `${CACHE}/target`;
}

async function cargo(args: string[], onLine: (line: string) => void, tail: readonly string[]): Promise<void> {
  const code = await run(["cargo", ...args], { cwd: WORKSPACE, env: { CARGO_TARGET_DIR: cargoTarget() }, onLine });
  if (code !== 0) {
    throw new Error(`Cannot compile the native parts: cargo ${args[0]} ended with exit ${code}\n${tail.join("\n")}`);
  }
}

async function link(folder: string): Promise<void> {
  if (await Deno.readLink(NATIVE_LINK).catch(() => undefined) === folder) return;
  await Deno.mkdir(NATIVE_LINK.slice(0, NATIVE_LINK.lastIndexOf("/")), { recursive: true });
  const next = `${NATIVE_LINK}.${Deno.pid}`;
  await Deno.symlink(folder, next);
  await Deno.rename(next, NATIVE_LINK);
}
