/**
 * Where images come from: mirrors, passwords and certificates for registries, out of D/registries.yaml. The format is
 * the one that K3s has (documentation: "Private Registry Configuration").
 */
import { readTextIfThere } from "../files.ts";
import type { ImageReference } from "./reference.ts";
import type { Credentials } from "./registry.ts";

export interface RegistriesConfig {
  /** By the registry that images are named after; `*` stands for all others. */
  mirrors?: Record<string, { endpoint?: string[]; rewrite?: Record<string, string> } | null>;
  /** By the host that is asked. */
  configs?: Record<string, {
    auth?: { username?: string; password?: string; auth?: string };
    tls?: { ca_file?: string; cert_file?: string; key_file?: string; insecure_skip_verify?: boolean };
  }>;
}

/** One place to ask for an image. */
export interface Endpoint {
  /** Scheme, host and the path up to the repository: https://mirror.example/v2. */
  base: string;
  host: string;
  /** As it is called there. */
  repository: string;
  /** Out of the file; a pod's own come first where the image is asked of its own registry. */
  credentials?: Credentials;
  /** It stands in for the image's own registry. */
  isMirror: boolean;
  tls?: { caFile?: string; certFile?: string; keyFile?: string };
}

/** The mirrors in their order, then the registry itself. Pure. */
export function endpointsFor(reference: ImageReference, config: RegistriesConfig): Endpoint[] {
  const { registry, repository } = reference;
  const mirror = config.mirrors?.[registry] ?? config.mirrors?.["*"];
  const rewritten = rewrite(repository, mirror?.rewrite ?? {});
  const mirrors = (mirror?.endpoint ?? []).map((text) => endpoint(text, rewritten, config, true));
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const own = endpoint(`${isLoopback(host) ? "http" : "https"}://${host}`, repository, config, false, registry);
  // One that is named as its own mirror is asked once, as the mirror says.
  return mirrors.some((one) => one.host === own.host) ? mirrors : [...mirrors, own];
}

function endpoint(
  text: string,
  repository: string,
  config: RegistriesConfig,
  isMirror: boolean,
  registry?: string,
): Endpoint {
  let url: URL;
  try {
    url = new URL(text);
  } catch (error) {
    throw new Error(`Cannot use the mirror "${text}" of registries.yaml as it must be a URL`, { cause: error });
  }
  const { auth, tls } = config.configs?.[url.host] ?? config.configs?.[registry ?? ""] ?? {};
  if (tls?.insecure_skip_verify === true) {
    throw new Error(
      `Cannot ask "${url.host}" as its certificate must be verified: name its authority as ca_file in registries.yaml instead of insecure_skip_verify`,
    );
  }
  const path = url.pathname.replace(/\/+$/, "");
  const credentials = auth && credentialsOf(auth);
  return {
    base: `${url.origin}${/\/v2(\/|$)/.test(path) ? path : `${path}/v2`}`,
    host: url.host,
    repository,
    isMirror,
    ...(credentials !== undefined && { credentials }),
    ...(tls !== undefined && {
      tls: {
        ...(tls.ca_file !== undefined && { caFile: tls.ca_file }),
        ...(tls.cert_file !== undefined && { certFile: tls.cert_file }),
        ...(tls.key_file !== undefined && { keyFile: tls.key_file }),
      },
    }),
  };
}

/** The first pattern that fits. */
function rewrite(repository: string, rules: Record<string, string>): string {
  for (const [pattern, replacement] of Object.entries(rules)) {
    const expression = new RegExp(pattern);
    if (expression.test(repository)) return repository.replace(expression, replacement);
  }
  return repository;
}

/** A name and password, in two fields or in one, as Docker writes them; undefined where there is none. */
export function credentialsOf(
  entry: { auth?: string; username?: string; password?: string },
): Credentials | undefined {
  const [username, ...rest] = entry.auth !== undefined && entry.auth !== ""
    ? atob(entry.auth).split(":")
    : [entry.username, entry.password ?? ""];
  return username === undefined || username === "" ? undefined : { username, password: rest.join(":") };
}

/** Registries on this machine are spoken to without TLS. */
function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name);
}

/** Read for every image that is fetched, so that a change needs no restart. */
export async function readRegistries(path: string): Promise<RegistriesConfig> {
  const text = await readTextIfThere(path);
  if (text === undefined) return {};
  const { parse } = await import("yaml");
  try {
    return (parse(text) ?? {}) as RegistriesConfig;
  } catch (error) {
    throw new Error(`Cannot read "${path}" as it must be YAML`, { cause: error });
  }
}
