/**
 * The ConfigMaps and Secrets that pods use: which they are, and what is known of them.
 *
 * Pure. `unknown` (nobody could be asked yet) and `absent` (the server says that there is none) are different
 * answers: nothing is changed because of the first.
 */
import type { ConfigMap, Container, Pod, Secret } from "@k3ts/model/objects";
import { ConfigError } from "../pods/config_error.ts";
import { bytes } from "../pods/text.ts";

export type ReferenceKind = "ConfigMap" | "Secret";

export interface Reference {
  kind: ReferenceKind;
  namespace: string;
  name: string;
}

export type Known<T> = { state: "known"; object: T } | { state: "absent" } | { state: "unknown" };

export type Data = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

export function keyOf(reference: Reference): string {
  return `${reference.kind}/${reference.namespace}/${reference.name}`;
}

/** Every ConfigMap and Secret that a pod's volumes and environments name, once each. */
export function referencesOf(pod: Pod): Reference[] {
  const namespace = pod.metadata.namespace ?? "default";
  const found = new Map<string, Reference>();
  const add = (kind: ReferenceKind, name: string | undefined) => {
    if (name === undefined || name === "") return;
    const reference = { kind, namespace, name };
    found.set(keyOf(reference), reference);
  };
  for (const volume of pod.spec?.volumes ?? []) {
    add("ConfigMap", volume.configMap?.name);
    add("Secret", volume.secret?.secretName);
    for (const source of volume.projected?.sources ?? []) {
      add("ConfigMap", source.configMap?.name);
      add("Secret", source.secret?.name);
    }
  }
  const containers: Container[] = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  for (const container of containers) {
    for (const source of container.envFrom ?? []) {
      add("ConfigMap", source.configMapRef?.name);
      add("Secret", source.secretRef?.name);
    }
    for (const variable of container.env ?? []) {
      add("ConfigMap", variable.valueFrom?.configMapKeyRef?.name);
      add("Secret", variable.valueFrom?.secretKeyRef?.name);
    }
  }
  for (const pull of pod.spec?.imagePullSecrets ?? []) add("Secret", pull.name);
  return [...found.values()];
}

/** Looks up what pods refer to, as it was last known. */
export class References {
  readonly #lookup: (reference: Reference) => Known<ConfigMap | Secret>;

  constructor(lookup: (reference: Reference) => Known<ConfigMap | Secret>) {
    this.#lookup = lookup;
  }

  /** Whether the server has answered once for everything that a pod uses. */
  areKnown(pod: Pod): boolean {
    return referencesOf(pod).every((reference) => this.#lookup(reference).state !== "unknown");
  }

  /** Its data, decoded; undefined when it is absent and may be. Throws {@link ConfigError} when it must be there. */
  data(kind: ReferenceKind, namespace: string, name: string, optional: boolean): Data | undefined {
    const known = this.#lookup({ kind, namespace, name });
    if (known.state === "known") return dataOf(kind, known.object);
    if (known.state === "absent" && optional) return undefined;
    throw new ConfigError(
      known.state === "absent"
        ? `${kind === "ConfigMap" ? "configmap" : "secret"} "${name}" not found`
        : `Cannot read ${kind} "${namespace}/${name}" as the server must have answered once: it has not yet`,
    );
  }
}

function dataOf(kind: ReferenceKind, object: ConfigMap | Secret): Data {
  const data = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const [key, value] of Object.entries(object.data ?? {})) {
    data.set(key, kind === "Secret" ? Uint8Array.fromBase64(value) : bytes(value));
  }
  if (kind === "ConfigMap") {
    for (const [key, value] of Object.entries((object as ConfigMap).binaryData ?? {})) {
      data.set(key, Uint8Array.fromBase64(value));
    }
  }
  return data;
}
