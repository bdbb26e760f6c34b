/** Names and passwords for registries out of a pod's image pull secrets (core/v1 imagePullSecrets). Pure. */
import type { Pod } from "@k3ts/model/objects";
import { text } from "../pods/text.ts";
import type { Data, References } from "../sync/references.ts";
import { digestOf } from "./blobs.ts";
import type { Image } from "./index.ts";
import { parseReference } from "./reference.ts";
import { credentialsOf } from "./registries.ts";
import type { Credentials } from "./registry.ts";

type Auths = Record<string, { auth?: string; username?: string; password?: string }>;

/**
 * Those that are for the image, the most specific first. Secrets that are missing, cannot be read or say nothing of
 * its registry are passed over, as in Kubernetes.
 */
export function credentialsFor(pod: Pod, image: string, references: References): Credentials[] {
  const { registry, repository } = parseReference(image);
  const found: { key: string; credentials: Credentials }[] = [];
  for (const { name } of pod.spec?.imagePullSecrets ?? []) {
    const data = lookUp(references, pod.metadata.namespace ?? "default", name ?? "");
    for (const [entry, value] of Object.entries(authsIn(data))) {
      const key = normal(entry);
      const credentials = fits(key, `${registry}/${repository}`) ? credentialsOf(value) : undefined;
      if (credentials !== undefined) found.push({ key, credentials });
    }
  }
  return found.sort((a, b) => b.key.length - a.key.length).map((one) => one.credentials);
}

/** What a password is remembered as: nobody learns it from there. */
export function digestOfCredentials({ username, password }: Credentials): string {
  return digestOf(new TextEncoder().encode(JSON.stringify([username, password])));
}

/** Whether the pod may use an image that is here: one that a password opened is for those who have such a password. */
export function mayUse(pod: Pod, name: string, image: Pick<Image, "openedBy">, references: References): boolean {
  const { registry, repository } = parseReference(name);
  const opened = image.openedBy?.[`${registry}/${repository}`];
  if (opened === undefined) return true;
  return credentialsFor(pod, name, references).some((one) => opened.includes(digestOfCredentials(one)));
}

/** Of a kubernetes.io/dockerconfigjson Secret, or of the older kubernetes.io/dockercfg. */
function authsIn(data: Data | undefined): Auths {
  const [config, old] = [data?.get(".dockerconfigjson"), data?.get(".dockercfg")];
  try {
    if (config !== undefined) return (JSON.parse(text(config)) as { auths?: Auths }).auths ?? {};
    return old === undefined ? {} : JSON.parse(text(old)) as Auths;
  } catch {
    // What it holds is nobody's to read in a log.
    return {};
  }
}

function lookUp(references: References, namespace: string, name: string): Data | undefined {
  try {
    return references.data("Secret", namespace, name, true);
  } catch {
    // Not known yet: the image may well be public.
    return undefined;
  }
}

/** `https://index.docker.io/v1/` is docker.io; others keep the path that they are for. */
function normal(entry: string): string {
  const plain = entry.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "").replace(/\/+$/, "");
  const [host = "", ...path] = plain.split("/");
  const known = host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
  return [known, ...path].join("/");
}

/** The host part by part, where `*` is any one part or a piece of it, and the path by whole parts. */
function fits(key: string, image: string): boolean {
  const [host = "", ...path] = key.split("/");
  const [imageHost = "", ...imagePath] = image.split("/");
  const parts = host.split(".");
  const imageParts = imageHost.split(".");
  const sameHost = parts.length === imageParts.length && parts.every((part, at) => {
    const pattern = part.split("*").map((piece) => piece.replace(/[^\w-]/g, "\\$&")).join("[^.]*");
    return new RegExp(`^${pattern}$`).test(imageParts[at]!);
  });
  return sameHost && path.every((part, at) => part === imagePath[at]);
}
