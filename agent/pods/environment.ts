/**
 * A container's environment from all its sources (core/v1 EnvVar, EnvFromSource; documentation: "Define environment
 * variables", "Service environment variables").
 *
 * Pure. What is missing and not optional is an error that the container's waiting state shows.
 */
import type { Container, EnvVar, Pod, Service } from "@k3ts/model/objects";
import type { References } from "../sync/references.ts";
import { ConfigError } from "./config_error.ts";
import { text as utf8 } from "./text.ts";
import { expand } from "./expand.ts";
import { fieldOf, resourceOf } from "./downward.ts";

export interface EnvironmentInput {
  pod: Pod;
  container: Container;
  references: References;
  /** Those of the pod's namespace, and default/kubernetes. */
  services: readonly Service[];
  hostAddress: string;
  podAddress?: string;
  /** What the node can give: stands for limits that are not set. */
  node: { cpuCores: number; memoryBytes: number };
}

/** In the order in which later ones win: Services, envFrom, env. */
export function environmentOf(input: EnvironmentInput): Map<string, string> {
  const variables = new Map<string, string>();
  if (input.pod.spec?.enableServiceLinks !== false) addServices(variables, input);
  else addServices(variables, { ...input, services: input.services.filter(isKubernetes) });
  for (const source of input.container.envFrom ?? []) addAll(variables, input, source);
  for (const variable of input.container.env ?? []) {
    const value = valueOf(input, variable, variables);
    if (value !== undefined) variables.set(variable.name, value);
  }
  return variables;
}

function addAll(
  variables: Map<string, string>,
  { pod, references }: EnvironmentInput,
  source: NonNullable<Container["envFrom"]>[number],
): void {
  const [kind, from] = source.configMapRef !== undefined
    ? ["ConfigMap" as const, source.configMapRef]
    : ["Secret" as const, source.secretRef ?? {}];
  const data = references.data(kind, pod.metadata.namespace ?? "default", from.name ?? "", from.optional ?? false);
  for (const [key, value] of data ?? []) variables.set(`${source.prefix ?? ""}${key}`, utf8(value));
}

function valueOf(
  input: EnvironmentInput,
  variable: EnvVar,
  before: ReadonlyMap<string, string>,
): string | undefined {
  const { pod, container, references } = input;
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? "", before);
  if (from.fieldRef !== undefined) return fieldOf(input, from.fieldRef.fieldPath);
  if (from.resourceFieldRef !== undefined) {
    const of = from.resourceFieldRef.containerName ?? container.name;
    const named = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].find((one) => one.name === of);
    if (named === undefined) {
      throw new ConfigError(`Cannot read a resource of container "${of}" as the pod must have it`);
    }
    return resourceOf(named, from.resourceFieldRef.resource, from.resourceFieldRef.divisor, input.node);
  }
  const [kind, key] = from.configMapKeyRef !== undefined
    ? ["ConfigMap" as const, from.configMapKeyRef]
    : ["Secret" as const, from.secretKeyRef];
  if (key === undefined) return "";
  const optional = key.optional ?? false;
  const namespace = pod.metadata.namespace ?? "default";
  const value = references.data(kind, namespace, key.name ?? "", optional)?.get(key.key);
  if (value === undefined) {
    if (optional) return undefined;
    throw new ConfigError(`couldn't find key ${key.key} in ${kind} ${namespace}/${key.name}`);
  }
  return utf8(value);
}

function isKubernetes(service: Service): boolean {
  return service.metadata.name === "kubernetes" && service.metadata.namespace === "default";
}

/** `REDIS_SERVICE_HOST` and its like, and the names that Docker's links once had. */
function addServices(variables: Map<string, string>, { services, pod }: EnvironmentInput): void {
  const own = pod.metadata.namespace ?? "default";
  // Those of the own namespace come last and win.
  const seen = services.filter((one) => one.metadata.namespace === own || isKubernetes(one))
    .sort((a, b) => Number(a.metadata.namespace === own) - Number(b.metadata.namespace === own));
  for (const service of seen) {
    const address = service.spec?.clusterIP;
    const ports = service.spec?.ports ?? [];
    const first = ports[0];
    if (address === undefined || address === "" || address === "None" || first === undefined) continue;
    const name = service.metadata.name.toUpperCase().replaceAll("-", "_");
    variables.set(`${name}_SERVICE_HOST`, address);
    variables.set(`${name}_SERVICE_PORT`, String(first.port));
    for (const port of ports) {
      if (port.name !== undefined && port.name !== "") {
        variables.set(`${name}_SERVICE_PORT_${port.name.toUpperCase().replaceAll("-", "_")}`, String(port.port));
      }
    }
    const scheme = (port: { protocol?: string }) => (port.protocol ?? "TCP").toLowerCase();
    variables.set(`${name}_PORT`, `${scheme(first)}://${address}:${first.port}`);
    for (const port of ports) {
      const prefix = `${name}_PORT_${port.port}_${scheme(port).toUpperCase()}`;
      variables.set(prefix, `${scheme(port)}://${address}:${port.port}`);
      variables.set(`${prefix}_PROTO`, scheme(port));
      variables.set(`${prefix}_PORT`, String(port.port));
      variables.set(`${prefix}_ADDR`, address);
    }
  }
}
