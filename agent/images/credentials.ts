/** Names and passwords for registries out of a pod's image pull secrets (kubernetes.io/dockerconfigjson). Pure. */
import type { Pod } from "@k3ts/model/objects";
import { text } from "../pods/text.ts";
import type { References } from "../sync/references.ts";
import { parseReference } from "./reference.ts";
import type { Credentials } from "./registry.ts";

interface DockerConfig {
  auths?: Record<string, { auth?: string; username?: string; password?: string }>;
}

/** Secrets that are missing or say nothing of the image's registry are passed over, as in Kubernetes. */
export function credentialsFor(pod: Pod, image: string, references: References): Credentials | undefined {
  const { registry } = parseReference(image);
  for (const { name } of pod.spec?.imagePullSecrets ?? []) {
    const data = lookUp(references, pod.metadata.namespace ?? "default", name ?? "");
    const config = data?.get(".dockerconfigjson");
    if (config === undefined) continue;
    for (const [host, entry] of Object.entries((JSON.parse(text(config)) as DockerConfig).auths ?? {})) {
      if (hostOf(host) !== registry) continue;
      const [username, ...rest] = entry.auth !== undefined
        ? atob(entry.auth).split(":")
        : [entry.username, entry.password ?? ""];
      if (username !== undefined) return { username, password: rest.join(":") };
    }
  }
  return undefined;
}

function lookUp(references: References, namespace: string, name: string) {
  try {
    return references.data("Secret", namespace, name, true);
  } catch {
    // Not known yet: the image may well be public.
    return undefined;
  }
}

/** `https://index.docker.io/v1/` is docker.io. */
function hostOf(entry: string): string {
  const host = entry.replace(/^https?:\/\//, "").split("/")[0]!;
  return host === "index.docker.io" || host === "registry-1.docker.io" ? "docker.io" : host;
}
