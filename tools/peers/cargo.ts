/** Compiles Rust programs out of published crates. */
import { output, run, which } from "../run.ts";
import { checkProgram, type GoOptions, WORK_FOLDER } from "./go.ts";
import type { CargoPeer } from "./table.ts";

const TAIL_LINES = 20;

/** @returns a program, somewhere to be moved from */
export async function compileCrate(name: string, peer: CargoPeer, options: GoOptions): Promise<string> {
  if (await which("cargo") === undefined) {
    throw new Error(`Cannot build ${name} as Rust must be installed (https://rustup.rs): there is no cargo`);
  }
  const folder = `${WORK_FOLDER}/cargo`;
  const env = {
    CARGO_TARGET_DIR: `${folder}/target`,
    // What is not stable yet of the compiler is used for its flags.
    ...(peer.flags !== undefined && { RUSTC_BOOTSTRAP: "1", RUSTFLAGS: peer.flags.join(" ") }),
    ...(peer.library !== undefined && await libraryPlace(peer.library, `${folder}/${peer.library}`)),
  };
  const words = ["install", name, "--version", peer.version, "--locked", "--root", `${folder}/out`];
  const features = ["--features", peer.features.join(",")];
  const tail: string[] = [];
  let packages = 0;
  const code = await run(["cargo", ...words, ...features], {
    cwd: "/",
    env,
    signal: options.signal,
    onLine: (line) => {
      if (tail.push(line) > TAIL_LINES) tail.shift();
      if (/^\s*Compiling /.test(line)) packages++;
      options.onProgress({ packages, line: line.trim() });
    },
  });
  options.signal?.throwIfAborted();
  if (code !== 0) {
    throw new Error(`Cannot build ${name} ${peer.version}: cargo ended with exit ${code}\n${tail.join("\n")}`);
  }
  const program = `${folder}/out/bin/${name}`;
  await checkProgram(program, name, peer.check);
  return program;
}

/** A C library to link into the program: out of its package where the machine lacks it, without installing that. */
async function libraryPlace(library: string, folder: string): Promise<Record<string, string>> {
  const isInstalled = await output(["pkg-config", "--exists", library]).then(() => true, () => false);
  if (isInstalled) return {};
  if (await which("apt-get") === undefined) {
    throw new Error(
      `Cannot link ${library} as it must be installed with what is needed to compile: pkg-config knows none`,
    );
  }
  await Deno.mkdir(folder, { recursive: true });
  const download = ["apt-get", "download", `${library}-dev`];
  // What is known of the packages may be missing, or older than what is there to fetch.
  await output(download, { cwd: folder }).catch(async () => {
    await output(["apt-get", "update", "-qq"]);
    await output(download, { cwd: folder });
  });
  for await (const { name } of Deno.readDir(folder)) {
    if (name.endsWith(".deb")) await output(["dpkg", "-x", name, "."], { cwd: folder });
  }
  const found = (await output(["find", folder, "-name", `${library}.a`])).trim();
  if (found === "") throw new Error(`Cannot link ${library} as ${library}-dev must hold ${library}.a: it does not`);
  const variable = library.toUpperCase();
  return { [`${variable}_LIB_PATH`]: found.slice(0, found.lastIndexOf("/")), [`${variable}_LINK_TYPE`]: "static" };
}
