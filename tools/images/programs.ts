/** The programs in the images, and the module of Kubernetes that the suite's own files come out of. */
import { CACHE } from "../paths.ts";
import { output } from "../run.ts";
import type { ProgramName } from "./layers.ts";

const KUBERNETES = "1.35.4";

/** @returns where it lies */
export async function programOf(name: ProgramName, _say: (line: string) => void): Promise<string> {
  if (name === "pause") return await compilePause();
  return `${CACHE}/peers/bin/${name === "agnhost" ? "k8s-1.35.4/agnhost" : name}`;
}

/** A file of the module k8s.io/kubernetes. */
export async function sourceFile(path: string): Promise<string> {
  return `${await kubernetesSource()}/${path}`;
}

let source: Promise<string> | undefined;

function kubernetesSource(): Promise<string> {
  source ??= output(["go", "mod", "download", "-json", `k8s.io/kubernetes@v${KUBERNETES}`], { cwd: "/" })
    .then((answer) => (JSON.parse(answer) as { Dir: string }).Dir);
  return source;
}

async function compilePause(): Promise<string> {
  const path = `${CACHE}/images/pause-${KUBERNETES}`;
  if (await Deno.stat(path).then(() => true, () => false)) return path;
  const flags = ["-static", "-Os", "-s", "-Wl,--build-id=none", `-DVERSION=v${KUBERNETES}`];
  await output(["cc", ...flags, "-o", `${path}.${Deno.pid}`, await sourceFile("build/pause/linux/pause.c")]);
  await Deno.rename(`${path}.${Deno.pid}`, path);
  return path;
}
