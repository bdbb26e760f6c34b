/** `k3ts config`: the contexts of a kubeconfig. */
import type { Command } from "commander";
import { delimiter } from "node:path";
import { attempt } from "../command.ts";
import { kubeconfigPath } from "../connection.ts";
import { KubeconfigFile, type Section } from "../kubeconfig_file.ts";
import { nearest } from "../nearest.ts";
import { align } from "../output/table.ts";
import { writeText } from "../output/write.ts";
import { Problem } from "../problem.ts";

interface ConfigOptions {
  kubeconfig?: string;
}

interface SetContextOptions extends ConfigOptions {
  current?: boolean;
  namespace?: string;
  cluster?: string;
  user?: string;
}

export function registerConfig(program: Command): void {
  const config = program.command("config").description("the contexts of a kubeconfig");
  const command = (usage: string, description: string) =>
    config.command(usage).description(description)
      .option("--kubeconfig <path>", "the kubeconfig (default: KUBECONFIG, this machine's, ~/.kube/config)");
  command("current-context", "the context that is used")
    .action((options: ConfigOptions) => attempt(async () => console.log(currentOf(await openAll(options)))));
  command("get-contexts [name]", "the contexts that there are")
    .option("-o, --output <format>", "name")
    .option("--no-headers", "without the line of column names")
    .action((name: string | undefined, options: ConfigOptions & { output?: string; headers: boolean }) =>
      attempt(() => getContexts(name, options))
    );
  command("use-context <name>", "the context that is to be used from now on")
    .action((name: string, options: ConfigOptions) => attempt(() => useContext(name, options)));
  command("set-context [name]", "change a context, or make one: k3ts config set-context --current -n web")
    .option("--current", "the current one")
    .option("-n, --namespace <name>", "the namespace that is meant where none is named; an empty one is the default")
    .option("--cluster <name>", "the cluster")
    .option("--user <name>", "the user")
    .action((name: string | undefined, options: SetContextOptions) => attempt(() => setContext(name, options)));
  command("rename-context <old> <new>", "give a context another name")
    .action((from: string, to: string, options: ConfigOptions) => attempt(() => renameContext(from, to, options)));
  command("delete-context <name>", "remove a context; its cluster and user stay")
    .action((name: string, options: ConfigOptions) => attempt(() => deleteContext(name, options)));
  for (const section of ["clusters", "users"] as const) {
    command(`get-${section}`, `the ${section} that there are`)
      .action((options: ConfigOptions) => attempt(() => getNames(section, options)));
  }
  command("view", "all of it, without secrets")
    .option("--raw", "with secrets")
    .action((options: ConfigOptions & { raw?: boolean }) => attempt(() => view(options)));
}

/** Of several files the first that has something decides, as for kubectl. */
async function openAll({ kubeconfig }: ConfigOptions): Promise<KubeconfigFile[]> {
  const path = await kubeconfigPath(kubeconfig);
  const listed = Deno.env.get("KUBECONFIG")?.split(delimiter).filter((one) => one !== "") ?? [];
  const home = `${Deno.env.get("HOME") ?? "/root"}/.kube/config`;
  const paths = path !== undefined ? [path] : listed.length > 0 ? listed : [home];
  return await Promise.all(paths.map((one) => KubeconfigFile.open(one)));
}

function currentOf(files: readonly KubeconfigFile[]): string {
  const name = files.map(({ currentContext }) => currentContext).find((name) => name !== undefined);
  if (name === undefined) throw new Problem("There is no current context.", "Choose one: k3ts config use-context NAME");
  return name;
}

/** @throws {Problem} when none has it */
function fileWith(files: readonly KubeconfigFile[], name: string): KubeconfigFile {
  const file = files.find((file) => file.names("contexts").includes(name));
  if (file !== undefined) return file;
  const all = files.flatMap((file) => file.names("contexts"));
  const meant = nearest(name, all);
  throw new Problem(
    `There is no context "${name}" in ${files.map(({ path }) => path).join(", ")}${
      meant === undefined ? "." : `: did you mean "${meant}"?`
    }`,
    all.length === 0 ? undefined : `There are: ${all.join(", ")}`,
  );
}

async function getContexts(name: string | undefined, options: ConfigOptions & { output?: string; headers: boolean }) {
  const files = await openAll(options);
  if (options.output !== undefined && options.output !== "name") {
    throw new Problem(`The output must be name: it is "${options.output}".`);
  }
  if (name !== undefined) fileWith(files, name);
  const current = files.map(({ currentContext }) => currentContext).find((one) => one !== undefined);
  const rows = new Map<string, string[]>();
  for (const file of files) {
    for (const context of file.names("contexts")) {
      if (rows.has(context) || name !== undefined && name !== context) continue;
      const { cluster = "", user = "", namespace = "" } = file.get("contexts", context) ?? {};
      rows.set(context, [context === current ? "*" : "", context, `${cluster}`, `${user}`, `${namespace}`]);
    }
  }
  if (options.output === "name") return writeText([...rows.keys()].map((one) => `${one}\n`).join(""));
  const header = options.headers ? [["CURRENT", "NAME", "CLUSTER", "AUTHINFO", "NAMESPACE"]] : [];
  if (header.length + rows.size > 0) console.log(align([...header, ...rows.values()]));
}

async function useContext(name: string, options: ConfigOptions): Promise<void> {
  const files = await openAll(options);
  fileWith(files, name);
  const file = files.find(({ currentContext }) => currentContext !== undefined) ?? files[0]!;
  file.currentContext = name;
  await file.write();
  console.log(`Switched to context "${name}".`);
}

async function setContext(given: string | undefined, options: SetContextOptions): Promise<void> {
  const files = await openAll(options);
  if ((given !== undefined) === (options.current === true)) {
    throw new Problem("Either name a context or say --current.");
  }
  const name = given ?? currentOf(files);
  const file = options.current
    ? fileWith(files, name)
    : files.find((file) => file.names("contexts").includes(name)) ?? files[0]!;
  const { namespace, cluster, user } = options;
  const context = {
    ...file.get("contexts", name),
    ...(cluster !== undefined && { cluster }),
    ...(user !== undefined && { user }),
    ...(namespace !== undefined && { namespace }),
  };
  if (namespace === "") delete (context as { namespace?: string }).namespace;
  const existed = file.set("contexts", name, context);
  await file.write();
  console.log(`Context "${name}" ${existed ? "modified" : "created"}.`);
}

async function renameContext(from: string, to: string, options: ConfigOptions): Promise<void> {
  const files = await openAll(options);
  const file = fileWith(files, from);
  if (files.some((file) => file.names("contexts").includes(to))) {
    throw new Problem(`Cannot rename the context "${from}" as there is already one called "${to}".`);
  }
  file.set("contexts", to, file.get("contexts", from)!);
  file.remove("contexts", from);
  if (file.currentContext === from) file.currentContext = to;
  await file.write();
  for (const other of files.filter((one) => one !== file && one.currentContext === from)) {
    other.currentContext = to;
    await other.write();
  }
  console.log(`Context "${from}" renamed to "${to}".`);
}

async function deleteContext(name: string, options: ConfigOptions): Promise<void> {
  const files = await openAll(options);
  const file = fileWith(files, name);
  file.remove("contexts", name);
  await file.write();
  if (currentOrNone(files) === name) console.error("Warning: that was the current context: choose another one.");
  console.log(`deleted context ${name} from ${file.path}`);
}

function currentOrNone(files: readonly KubeconfigFile[]): string | undefined {
  return files.map(({ currentContext }) => currentContext).find((name) => name !== undefined);
}

async function getNames(section: Section, options: ConfigOptions): Promise<void> {
  const names = new Set((await openAll(options)).flatMap((file) => file.names(section)));
  console.log(["NAME", ...names].join("\n"));
}

const SECRETS = ["client-key-data", "token", "password"];
const DATA = ["certificate-authority-data", "client-certificate-data"];

async function view({ raw, ...options }: ConfigOptions & { raw?: boolean }): Promise<void> {
  const files = await openAll(options);
  const all = KubeconfigFile.parse("", "");
  for (const file of files.toReversed()) all.merge(file);
  all.currentContext = currentOrNone(files);
  if (!raw) {
    for (const section of ["users", "clusters"] as const) {
      for (const name of all.names(section)) {
        const entry = { ...all.get(section, name) };
        for (const field of SECRETS) if (entry[field] !== undefined) entry[field] = "REDACTED";
        for (const field of DATA) if (entry[field] !== undefined) entry[field] = "DATA+OMITTED";
        all.set(section, name, entry);
      }
    }
  }
  writeText(all.toString());
}
