/** The programs in the images, and the files of the suite itself, out of the module k8s.io/kubernetes. */
import { dirname } from "node:path";
import { exists } from "../files.ts";
import { ensurePeers } from "../peers/mod.ts";
import { GO_VERSIONS } from "../peers/versions.ts";
import { output } from "../run.ts";
import { FOLDER, type Say } from "./cache.ts";
import { LAYERS, type ProgramName } from "./layers.ts";

const VERSION = GO_VERSIONS.agnhost;
const PAUSE = "build/pause/linux/pause.c";
const NNP = "test/images/nonewprivs/nnp.go";

/**
 * Builds those that are not there.
 * @returns where each lies
 */
export async function ensurePrograms(
  names: ReadonlySet<ProgramName>,
  say: Say,
  signal?: AbortSignal,
): Promise<Map<ProgramName, string>> {
  const peers = [...names].filter((name) => name !== "pause" && name !== "nnp");
  const places = new Map<ProgramName, string>();
  for (const { name, path, error } of await ensurePeers(peers, { say, signal })) {
    if (error !== undefined) throw error;
    places.set(name as ProgramName, path!);
  }
  if (names.has("pause")) {
    const flags = ["-static", "-Os", "-s", "-Wl,--build-id=none", `-DVERSION=v${VERSION}`];
    places.set("pause", await compile("pause", PAUSE, say, ["cc", ...flags]));
  }
  if (names.has("nnp")) {
    places.set("nnp", await compile("nnp", NNP, say, ["go", "build", "-trimpath", "-ldflags", "-s -w"]));
  }
  return places;
}

/** Programs of one file that need nothing but their language. */
async function compile(name: string, source: string, say: Say, command: string[]): Promise<string> {
  const path = `${FOLDER}/programs/${name}-${VERSION}`;
  if (await exists(path)) return path;
  await Deno.mkdir(dirname(path), { recursive: true });
  await output([...command, "-o", `${path}.${Deno.pid}`, await sourceFile(source, say)], {
    cwd: "/",
    env: { CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false", GOTOOLCHAIN: "local", GOWORK: "off" },
  });
  await Deno.rename(`${path}.${Deno.pid}`, path);
  return path;
}

/** A file of the module, kept. */
export async function sourceFile(path: string, say: Say): Promise<string> {
  const folder = `${FOLDER}/sources/${VERSION}`;
  if (!await exists(`${folder}/${path}`)) await takeSources(folder, say);
  return `${folder}/${path}`;
}

/** Those that anything here needs; the rest of the module is not kept, unless Go has it for others. */
async function takeSources(folder: string, say: Say): Promise<void> {
  const wanted = [PAUSE, NNP, ...Object.values(LAYERS).flatMap(({ sources }) => Object.values(sources ?? {}))];
  const modules = await output(["go", "env", "GOMODCACHE"], { cwd: "/" });
  const known = `${modules}/k8s.io/kubernetes@v${VERSION}`;
  if (await exists(`${known}/${PAUSE}`)) return await copyAll(wanted, known, folder);
  const work = await Deno.makeTempDir({ dir: FOLDER, prefix: ".modules-" });
  try {
    say(`Fetching the sources of Kubernetes ${VERSION}`);
    const download = ["go", "mod", "download", "-modcacherw", "-json", `k8s.io/kubernetes@v${VERSION}`];
    const answer = JSON.parse(await output(download, { cwd: "/", env: { GOMODCACHE: work } })) as { Dir: string };
    await copyAll(wanted, answer.Dir, folder);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function copyAll(paths: readonly string[], from: string, to: string): Promise<void> {
  for (const path of paths) {
    await Deno.mkdir(dirname(`${to}/${path}`), { recursive: true });
    await Deno.copyFile(`${from}/${path}`, `${to}/${path}.${Deno.pid}`);
    await Deno.rename(`${to}/${path}.${Deno.pid}`, `${to}/${path}`);
  }
}
