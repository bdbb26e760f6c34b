/**
 * Compiles Go programs out of published modules, without their repositories: a module of our own that requires
 * theirs, with what their own go.mod says of everything beyond requirements, which Go reads of the main module only.
 */
import { setTimeout as delay } from "node:timers/promises";
import { removeIfThere } from "../files.ts";
import { output, run, which } from "../run.ts";
import { PEERS_FOLDER } from "./cache.ts";
import type { Check, GoFilesPeer, GoPeer, OwnGoPeer } from "./table.ts";
import { GO_MINIMUM } from "./versions.ts";

/** Caches of Go and sources: nothing here is needed once the programs are built. On one disk with the programs. */
export const WORK_FOLDER: string = `${PEERS_FOLDER}/work`;
const TAIL_LINES = 20;
const CHECK_MS_MAX = 60_000;

export interface Progress {
  /** Packages compiled up to now; what was compiled before is not compiled again. */
  packages: number;
  /** What Go said last. */
  line: string;
}

export interface GoOptions {
  onProgress: (progress: Progress) => void;
  signal?: AbortSignal;
}

/** Go's own names for places and switches; places that the caller has chosen for them stay theirs. */
function environment({ cgo = false } = {}): Record<string, string> {
  return {
    GOFLAGS: "-buildvcs=false -modcacherw",
    GOWORK: "off",
    GOTOOLCHAIN: "local",
    CGO_ENABLED: cgo ? "1" : "0",
    GOTMPDIR: `${WORK_FOLDER}/tmp`,
    GOCACHE: Deno.env.get("GOCACHE") ?? `${WORK_FOLDER}/go-build`,
    GOMODCACHE: Deno.env.get("GOMODCACHE") ?? `${WORK_FOLDER}/go-mod`,
  };
}

/** @throws when Go is missing or too old */
export async function requireGo(): Promise<void> {
  const wanted = `Go ${GO_MINIMUM} or later must be installed (https://go.dev/doc/install)`;
  if (await which("go") === undefined) throw new Error(`Cannot build the peers as ${wanted}: there is none`);
  const version = (await output(["go", "env", "GOVERSION"], { cwd: "/", env: { GOTOOLCHAIN: "local" } }))
    .replace(/^go/, "");
  const numbers = (text: string) => text.split(".").map(Number) as [number, number];
  const [major, minor] = numbers(version);
  const [majorMin, minorMin] = numbers(GO_MINIMUM);
  if (major < majorMin || (major === majorMin && minor < minorMin)) {
    throw new Error(`Cannot build the peers as ${wanted}: this is Go ${version}`);
  }
}

/** Makes place for builds; of those that were cut off only what can be used again is left. */
export async function openWork(): Promise<void> {
  await removeIfThere(`${WORK_FOLDER}/tmp`);
  for (const folder of ["tmp", "out", "src"]) await Deno.mkdir(`${WORK_FOLDER}/${folder}`, { recursive: true });
}

/** @returns the folder of a module from which every program of this one can be compiled */
export async function prepareModule(module: string, version: string, options: GoOptions): Promise<string> {
  const { GoMod: file } = await download(module, version, options);
  const parsed = JSON.parse(await output(["go", "mod", "edit", "-json", file], { cwd: "/", env: environment() }));
  const folder = `${WORK_FOLDER}/src/${module.replaceAll("/", "_")}@${version}`;
  await Deno.mkdir(folder, { recursive: true });
  await Deno.writeTextFile(`${folder}/go.mod`, wrapperModule(module, version, parsed, await Deno.readTextFile(file)));
  return folder;
}

/** What `go mod edit -json` says of a go.mod, as far as it is needed. */
export interface GoModFile {
  Go?: string;
  Replace?: { Old: { Path: string; Version?: string }; New: { Path: string; Version?: string } }[] | null;
}

/**
 * The go.mod of a module that has another one's programs. Replacements by folders of the other's repository become
 * the modules that were published with the same release, where their version is not required already.
 * @param source the text of the other go.mod, for its defaults of GODEBUG, which `go mod edit` does not tell
 */
export function wrapperModule(module: string, version: string, parsed: GoModFile, source: string): string {
  const lines = ["module peers", "", `go ${parsed.Go ?? GO_MINIMUM}`, "", `require ${module} v${version}`];
  const defaults = [
    ...source.matchAll(/^godebug (\w+=\S+)/gm),
    ...(/^godebug \(\n([^)]*)\)/m.exec(source)?.[1] ?? "").matchAll(/^\s+(\w+=\S+)/gm),
  ];
  lines.push(...defaults.map(([, setting]) => `godebug ${setting}`));
  for (const { Old: old, New: replacement } of parsed.Replace ?? []) {
    const before = `${old.Path}${old.Version === undefined ? "" : ` ${old.Version}`}`;
    if (replacement.Version !== undefined) {
      lines.push(`replace ${before} => ${replacement.Path} ${replacement.Version}`);
    } else if (replacement.Path.startsWith("./staging/")) {
      // Kubernetes 1.35.4 is published as one module and, as v0.35.4, in its parts.
      lines.push(`replace ${before} => ${old.Path} v0${version.slice(version.indexOf("."))}`);
    }
  }
  return lines.join("\n") + "\n";
}

/** @returns a program that works, somewhere to be moved from */
export async function compile(name: string, peer: GoPeer, folder: string, options: GoOptions): Promise<string> {
  const variables = Object.entries(peer.variables ?? {}).map(([variable, value]) => `-X ${variable}=${value}`);
  return await compileIn(folder, name, peer.version, options, {
    verb: peer.isTest ? ["test", "-c"] : ["build"],
    flags: ["-mod=mod", "-ldflags", ["-s", "-w", ...variables].join(" ")],
    package: peer.package,
    cgo: peer.cgo,
    check: peer.check,
  });
}

export async function compileOwn(
  name: string,
  peer: OwnGoPeer,
  version: string,
  options: GoOptions,
): Promise<string> {
  return await compileIn(peer.folder, name, version, options, {
    verb: ["build"],
    flags: ["-mod=readonly", "-ldflags", "-s -w"],
    package: ".",
    check: peer.check,
  });
}

interface Compilation {
  verb: string[];
  flags: string[];
  package: string;
  cgo?: boolean;
  check: Check;
}

async function compileIn(
  folder: string,
  name: string,
  version: string,
  options: GoOptions,
  { verb, flags, package: path, cgo, check }: Compilation,
): Promise<string> {
  const target = `${WORK_FOLDER}/out/${name}`;
  await go(["go", ...verb, "-v", "-trimpath", ...flags, "-o", target, path], `${name} ${version}`, options, {
    cwd: folder,
    env: environment({ cgo }),
  });
  await checkProgram(target, name, check);
  return target;
}

/** @returns a file with what the module has in these, as YAML documents */
export async function collectFiles(name: string, peer: GoFilesPeer, options: GoOptions): Promise<string> {
  const { Dir: folder } = await download(peer.module, peer.version, options);
  const texts = await Promise.all(peer.files.map((file) => Deno.readTextFile(`${folder}/${file}`)));
  const target = `${WORK_FOLDER}/out/${name}`;
  await Deno.writeTextFile(target, texts.map((text) => `---\n${text.replace(/^---\n/, "").trimEnd()}\n`).join(""));
  return target;
}

async function download(
  module: string,
  version: string,
  options: GoOptions,
): Promise<{ Dir: string; GoMod: string }> {
  const lines: string[] = [];
  const command = ["go", "mod", "download", "-json", `${module}@v${version}`];
  options.onProgress({ packages: 0, line: `go: downloading ${module} v${version}` });
  await go(command, `${module} ${version}`, { ...options, onProgress: ({ line }) => void lines.push(line) }, {
    cwd: "/",
    env: environment(),
  });
  return JSON.parse(lines.join("\n")) as { Dir: string; GoMod: string };
}

async function go(
  command: string[],
  what: string,
  { onProgress, signal }: GoOptions,
  { cwd, env }: { cwd: string; env: Record<string, string> },
): Promise<void> {
  const tail: string[] = [];
  let packages = 0;
  const code = await run(command, {
    cwd,
    env,
    signal,
    onLine: (line) => {
      if (tail.push(line) > TAIL_LINES) tail.shift();
      if (/^[\w.-]+(\/[\w.-]+)*$/.test(line)) packages++; // `go build -v` names each package that it compiles
      onProgress({ packages, line });
    },
  });
  signal?.throwIfAborted();
  if (code !== 0) throw buildError(what, code, tail, await output(["go", "env", "GOPROXY"], { cwd: "/" }));
}

const UNREACHABLE =
  /dial tcp|no such host|connection refused|network is unreachable|i\/o timeout|TLS handshake|proxyconnect|: 50[234] |module lookup disabled/;

/** @param proxy where Go looks for modules (GOPROXY) */
export function buildError(what: string, code: number, tail: readonly string[], proxy: string): Error {
  const cut = tail.find((line) => UNREACHABLE.test(line));
  if (cut !== undefined) {
    return new Error(
      `Cannot build ${what} as the registry of Go modules (GOPROXY=${proxy}) must be reachable: ${cut.trim()}`,
    );
  }
  return new Error(`Cannot build ${what}: go ended with exit ${code}\n${tail.join("\n")}`);
}

/** @throws when the program does not run, or says something else */
export async function checkProgram(path: string, name: string, { args, says }: Check): Promise<void> {
  const ended = new AbortController();
  const result = new Deno.Command(path, { args: [...args], stdin: "null", signal: ended.signal }).output();
  const late = delay(CHECK_MS_MAX, undefined, { signal: ended.signal }).then(() => ended.abort(), () => {}); // ended in time
  const { stdout, stderr } = await result;
  ended.abort();
  await late;
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (text.includes(says)) return;
  throw new Error(
    `Cannot use the ${name} that was built as "${name} ${args.join(" ")}" must say "${says}": it says "${
      text.trim().slice(0, 300)
    }"`,
  );
}
