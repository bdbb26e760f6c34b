/**
 * Builds an unmodified kubectl from its Go modules, for tests: once a version, into the cache of this machine.
 * `deno run -A tools/kubectl.ts [VERSION]` prints where it lies.
 */
import { CACHE } from "./paths.ts";
import { output, run, which } from "./run.ts";

/** That of the API that is served, and those a minor version around it, which Kubernetes promises to work. */
export const KUBECTL_VERSIONS = ["1.34.4", "1.35.4", "1.36.3"] as const;
const KUBECTL_VERSION = "1.35.4";

/** @returns the path of the program */
export async function ensureKubectl(
  version: string = KUBECTL_VERSION,
  say: (line: string) => void = console.error,
): Promise<string> {
  const program = `${CACHE}/tools/kubectl-${version}`;
  if (await Deno.stat(program).then(() => true, () => false)) return program;
  if (await which("go") === undefined) {
    throw new Error("Cannot build kubectl for the tests as Go must be installed: see https://go.dev/doc/install");
  }
  say(`Building kubectl ${version}: about two minutes, once on this machine.`);
  const source = `${CACHE}/src/kubernetes-${version}.${Deno.pid}`;
  try {
    await unpack(version, source);
    await build(version, source, `${program}.${Deno.pid}`);
    await Deno.rename(`${program}.${Deno.pid}`, program);
  } finally {
    await Deno.remove(source, { recursive: true }).catch(() => {}); // may never have been made
  }
  return program;
}

const ENVIRONMENT = { GOFLAGS: "-mod=mod -buildvcs=false", GOWORK: "off", GOTOOLCHAIN: "local", CGO_ENABLED: "0" };

/** A copy that may be written to, whose staging modules are those that were published with the release. */
async function unpack(version: string, source: string): Promise<void> {
  const answer = await output(["go", "mod", "download", "-json", `k8s.io/kubernetes@v${version}`], {
    cwd: "/",
    env: ENVIRONMENT,
  });
  const { Dir: folder } = JSON.parse(answer) as { Dir: string };
  await Deno.mkdir(`${CACHE}/src`, { recursive: true });
  await output(["cp", "-r", "--no-preserve=mode", folder, source]);
  for (const path of ["vendor", "go.work", "go.work.sum"]) {
    await Deno.remove(`${source}/${path}`, { recursive: true }).catch(() => {}); // some releases lack some of them
  }
  const published = `v0.${version.slice(version.indexOf(".") + 1)}`;
  const module = await Deno.readTextFile(`${source}/go.mod`);
  await Deno.writeTextFile(
    `${source}/go.mod`,
    module.replace(/=> \.\/staging\/src\/(k8s\.io\/[a-z0-9-]+)/g, `=> $1 ${published}`),
  );
}

async function build(version: string, source: string, target: string): Promise<void> {
  const [major, minor] = version.split(".");
  const facts = {
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
  };
  const flags = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
    .flatMap((place) => Object.entries(facts).map(([name, value]) => `-X ${place}.${name}=${value}`));
  await Deno.mkdir(`${CACHE}/tools`, { recursive: true });
  const lines: string[] = [];
  const command = ["go", "build", "-trimpath", "-ldflags", `-s -w ${flags.join(" ")}`, "-o", target, "./cmd/kubectl"];
  const code = await run(command, { cwd: source, env: ENVIRONMENT, onLine: (line) => void lines.push(line) });
  if (code !== 0) {
    throw new Error(`Cannot build kubectl ${version}: go ended with exit ${code}\n${lines.slice(-20).join("\n")}`);
  }
}

if (import.meta.main) console.log(await ensureKubectl(Deno.args[0]));
