/** Reads what `kubectl` reads: where the cluster is and who asks. As in kubectl's `client.config.k8s.io/v1`. */
import { readFile } from "node:fs/promises";
import { delimiter, dirname, join, resolve } from "node:path";

/** What a connection needs; fits `createHttp2Transport`. */
export interface ClusterAccess {
  context: string;
  /** `https://127.0.0.1:6443`. */
  url: string;
  /** The namespace that is meant where none is named. */
  namespace: string;
  /** PEM. */
  caCertificate?: string;
  /** PEM. */
  certificate?: string;
  /** PEM. */
  key?: string;
  token?: string;
}

export interface KubeconfigOptions {
  /** One file. @default those of `KUBECONFIG`, else `~/.kube/config` */
  path?: string;
  /** @default the file's current context */
  context?: string;
  /** @default the process's environment */
  environment?: { KUBECONFIG?: string; HOME?: string };
}

interface Cluster {
  server?: string;
  "certificate-authority"?: string;
  "certificate-authority-data"?: string;
  "insecure-skip-tls-verify"?: boolean;
  "tls-server-name"?: string;
}

interface User {
  "client-certificate"?: string;
  "client-certificate-data"?: string;
  "client-key"?: string;
  "client-key-data"?: string;
  token?: string;
  tokenFile?: string;
  exec?: unknown;
  "auth-provider"?: unknown;
}

interface Context {
  cluster?: string;
  user?: string;
  namespace?: string;
}

interface Kubeconfig {
  "current-context"?: string;
  clusters?: { name: string; cluster?: Cluster }[] | null;
  users?: { name: string; user?: User }[] | null;
  contexts?: { name: string; context?: Context }[] | null;
}

/** An entry and the folder that its relative paths start from. */
type Found<E> = { entry: E; directory: string };

/** @throws when no file, no such context or a part of it is missing; the message says what to do */
export async function loadKubeconfig(options: KubeconfigOptions = {}): Promise<ClusterAccess> {
  const files = await readFiles(options);
  const name = options.context ?? files.map(({ config }) => config["current-context"]).find(Boolean);
  if (name === undefined) throw new Error("Cannot read kubeconfig as it must have a current context: it has none");
  const context =
    find(files, "context", name, (config) => config.contexts?.map((row) => [row.name, row.context])).entry;
  const cluster = find(
    files,
    "cluster",
    context.cluster,
    (config) => config.clusters?.map((row) => [row.name, row.cluster]),
  );
  const user = find(files, "user", context.user, (config) => config.users?.map((row) => [row.name, row.user]));
  return {
    context: name,
    namespace: context.namespace ?? "default",
    ...await clusterAccess(name, cluster),
    ...await userAccess(name, user),
  };
}

async function clusterAccess(context: string, { entry, directory }: Found<Cluster>) {
  if (!entry.server) throw new Error(`Cannot use context "${context}" as its cluster must have a server: it has none`);
  if (entry["insecure-skip-tls-verify"]) {
    throw new Error(`Cannot use context "${context}" as the server must be verified: insecure-skip-tls-verify is true`);
  }
  if (entry["tls-server-name"]) {
    throw new Error(
      `Cannot use context "${context}" as the server must be verified by the name in its URL: tls-server-name is ${
        entry["tls-server-name"]
      }`,
    );
  }
  const caCertificate = await pem(entry["certificate-authority-data"], entry["certificate-authority"], directory);
  return {
    url: entry.server,
    ...(caCertificate !== undefined && { caCertificate }),
  };
}

async function userAccess(context: string, { entry, directory }: Found<User>) {
  if (entry.exec !== undefined || entry["auth-provider"] !== undefined) {
    throw new Error(
      `Cannot use context "${context}" as its user must have a certificate or a token: it has a credential plugin`,
    );
  }
  const certificate = await pem(entry["client-certificate-data"], entry["client-certificate"], directory);
  const key = await pem(entry["client-key-data"], entry["client-key"], directory);
  const token = entry.token ??
    (entry.tokenFile && (await readFile(resolve(directory, entry.tokenFile), "utf8")).trim());
  return { ...(certificate && { certificate }), ...(key && { key }), ...(token && { token }) };
}

/** Data goes before a file, as with kubectl. */
async function pem(data: string | undefined, file: string | undefined, directory: string): Promise<string | undefined> {
  if (data) return new TextDecoder().decode(Uint8Array.fromBase64(data));
  return file ? await readFile(resolve(directory, file), "utf8") : undefined;
}

function find<E>(
  files: { config: Kubeconfig; directory: string }[],
  what: string,
  name: string | undefined,
  rows: (config: Kubeconfig) => [string, E | undefined][] | undefined,
): Found<E> {
  for (const { config, directory } of files) {
    const entry = rows(config)?.find(([candidate]) => candidate === name)?.[1];
    if (entry !== undefined) return { entry, directory };
  }
  throw new Error(`Cannot read kubeconfig as it must have the ${what} "${name ?? ""}": it has none of that name`);
}

/** Of several files the first that has an entry decides. */
async function readFiles(options: KubeconfigOptions): Promise<{ config: Kubeconfig; directory: string }[]> {
  const environment = options.environment ?? { KUBECONFIG: Deno.env.get("KUBECONFIG"), HOME: Deno.env.get("HOME") };
  const listed = environment.KUBECONFIG?.split(delimiter).filter((path) => path !== "") ?? [];
  const named = options.path !== undefined ? [options.path] : listed;
  const paths = named.length > 0 ? named : [join(environment.HOME ?? "/root", ".kube", "config")];
  const files = (await Promise.all(paths.map(readConfig))).filter((file) => file !== undefined);
  if (files.length === 0) {
    throw new Error(`Cannot read kubeconfig as the file must exist: ${paths.join(", ")} does not`);
  }
  return files;
}

async function readConfig(path: string): Promise<{ config: Kubeconfig; directory: string } | undefined> {
  // Loaded only here: it takes 3 MB, and who runs inside a cluster reads no kubeconfig.
  const { parse } = await import("yaml");
  try {
    const config: Kubeconfig | null = parse(await readFile(path, "utf8"));
    return { config: config ?? {}, directory: dirname(resolve(path)) };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new Error(`Cannot read kubeconfig ${path}: ${error instanceof Error ? error.message : error}`, {
      cause: error,
    });
  }
}
