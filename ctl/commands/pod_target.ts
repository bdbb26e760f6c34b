/** Which pod and container `logs`, `exec` and the like mean. */
import type { Command } from "commander";
import { isActive, isReady, type LabelSelector, matches, type ObjectMeta, type Pod, resources } from "@k3ts/model";
import { type ClusterOptions, namespaceOptions } from "../command.ts";
import type { Connection } from "../connection.ts";
import { findResource, reference } from "../names.ts";
import { Problem } from "../problem.ts";

export interface ContainerOptions extends ClusterOptions {
  container?: string;
}

export function containerOptions(command: Command): Command {
  return namespaceOptions(command).option("-c, --container <name>", "which of several (default: the first)");
}

/** A container, and the head of a call of StreamService: the server decides by it alone. */
export interface ContainerTarget {
  pod: string;
  container: string;
  headers: Record<string, string>;
}

export function headersOf(namespace: string, pod: string, container?: string): Record<string, string> {
  return { "k3ts-pod": `${namespace}/${pod}`, ...(container !== undefined && { "k3ts-container": container }) };
}

export async function resolveTarget(
  word: string,
  { container }: ContainerOptions,
  connection: Connection,
  namespace: string,
): Promise<ContainerTarget> {
  const pod = await podName(word, connection, namespace);
  const chosen = container ?? await defaultContainer(pod, connection, namespace);
  return { pod, container: chosen, headers: headersOf(namespace, pod, chosen) };
}

/** The head of a call about a container. */
export async function targetOf(
  word: string,
  options: ContainerOptions,
  connection: Connection,
  namespace: string,
): Promise<HeadersInit> {
  return (await resolveTarget(word, options, connection, namespace)).headers;
}

/** What an annotation names (kubernetes.io, "Well-Known Labels, Annotations and Taints"), else the first. */
async function defaultContainer(name: string, { clients }: Connection, namespace: string): Promise<string> {
  return defaultContainerOf(await clients.of<Pod>(resources.pods).get(name, { namespace }));
}

export function defaultContainerOf({ metadata, spec }: Pod): string {
  return metadata.annotations?.["kubectl.kubernetes.io/default-container"] ?? spec.containers[0]!.name;
}

/** `web-abc`, `pod/web-abc`, or a pod of `deployment/web`: of whatever has a selector. */
export async function podName(word: string, connection: Connection, namespace: string): Promise<string> {
  const { clients } = connection;
  if (!word.includes("/")) return word;
  const [kind = "", name = ""] = word.split("/", 2);
  const resource = findResource(kind, await clients.discover());
  if (resource.resource === "pods") return name;
  const owner = await clients.of(reference(resource)).get(name, { namespace }) as WithSelector;
  const selector = selectorOf(owner);
  if (selector === undefined) throw new Problem(`A ${resource.singular} has no pods: name a pod.`);
  const { items } = await clients.of<Pod>(resources.pods).list({ namespace });
  const active = items.filter((pod) => isActive(pod) && matches(selector, pod.metadata.labels));
  const pod = active.find(isReady) ?? active[0];
  if (pod === undefined) throw new Problem(`No pod of ${word} is active.`, `See why with: k3ts describe ${word}`);
  return pod.metadata.name;
}

interface WithSelector {
  metadata: ObjectMeta;
  spec?: { selector?: LabelSelector | Record<string, string> };
}

/** Of a workload, or of a Service, which has labels only. */
function selectorOf({ spec }: WithSelector): LabelSelector | undefined {
  const selector = spec?.selector;
  if (selector === undefined || "matchLabels" in selector || "matchExpressions" in selector) {
    return selector as LabelSelector;
  }
  return { matchLabels: selector as Record<string, string> };
}
