/**
 * Makes the object model's facts and types from the published Go modules of Kubernetes.
 *
 * `deno run -A tools/gen_facts/generate.ts` writes them, `--check` compares them with what is committed and fails on
 * a difference. Needs Go and its module registry.
 */
import { type Document, prefixOf } from "./document.ts";
import { jsonLines, typeLine } from "./compact.ts";
import { typeScriptFiles } from "./typescript.ts";

const KUBERNETES = "1.35.4";
const HERE = new URL("./", import.meta.url);
const MODEL = new URL("../../model/", HERE);
const GO = { GOFLAGS: "-mod=readonly -buildvcs=false", GOWORK: "off", CGO_ENABLED: "0" };

const check = Deno.args.includes("--check");
const stale: string[] = [];
for (const [path, text] of await makeFiles()) await put(path, text);
if (stale.length > 0) {
  console.error(`Cannot accept the generated model as it must be what its sources give: ${stale.join(", ")} differ`);
  console.error("Run: deno run -A tools/gen_facts/generate.ts");
  Deno.exit(1);
}

async function makeFiles(): Promise<Map<string, string>> {
  const { Dir: source } = JSON.parse(await go(["mod", "download", "-json", `k8s.io/kubernetes@v${KUBERNETES}`]));
  const printed = await go(["run", ".", "-source", source, "-version", KUBERNETES]);
  const document = JSON.parse(printed) as Document;
  const golden = JSON.parse(await go(["run", ".", "-golden"])) as unknown[];
  const files = new Map([
    ["facts/types.json", jsonLines(document.types.map(typeLine))],
    ["facts/resources.json", jsonLines(document.resources)],
    ["facts/groups.json", jsonLines(document.groups)],
    ["facts/kubernetes.json", JSON.stringify({ version: document.kubernetesVersion }) + "\n"],
    ["facts/packages.json", JSON.stringify(packages(document), null, 1) + "\n"],
    ["codecs/testdata/golden.json", jsonLines(golden)],
  ]);
  for (const [name, text] of typeScriptFiles(document)) files.set(`types/generated/${name}`, text);
  return files;
}

/** The package under which OpenAPI knows a group and version: `{"v1": "io.k8s.api.core.v1"}`. */
function packages(document: Document): Record<string, string> {
  return Object.fromEntries(document.types.map((type) => [prefixOf(type.key), prefixOf(type.schema)]));
}

async function go(args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command("go", { args, cwd: HERE, env: GO }).output();
  if (code !== 0) throw new Error(`go ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function put(path: string, text: string): Promise<void> {
  const file = new URL(path, MODEL);
  if (check) {
    const committed = await Deno.readTextFile(file).catch(() => undefined);
    if (committed !== text) stale.push(`model/${path}`);
    return;
  }
  await Deno.mkdir(new URL("./", file), { recursive: true });
  await Deno.writeTextFile(file, text);
}
