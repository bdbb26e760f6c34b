/** `proxy` of nodes, pods and services: HTTP that the gateway leads to a node's agent, and that to a pod. */
import type { ApiObject } from "@k3ts/model";
import { parseObject } from "../registry/stored_object.ts";
import { badRequest, notFound, serviceUnavailable } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import type { ConnectRequest, Splice } from "./request.ts";

/** Pages of an agent that run something: reading alone must not be enough for them. */
const RUNNING = new Set(["exec", "attach", "portForward", "run"]);
/** What an agent serves under an authorisation of its own. */
const OTHERS = /^(k3ts\..*|podProxy)$/;

interface PodData extends ApiObject {
  spec?: {
    nodeName?: string;
    containers?: { ports?: { name?: string; containerPort: number }[] }[];
  };
}

interface EndpointSliceData extends ApiObject {
  ports?: { name?: string; port?: number }[];
  endpoints?: {
    conditions?: { ready?: boolean };
    nodeName?: string;
    targetRef?: { kind?: string; name?: string };
  }[];
}

/** Answers with the node, and the path by which its agent leads on. */
export async function proxy(request: ConnectRequest, verbs: Verbs): Promise<Splice> {
  authorize(request, request.verb, verbs);
  const path = normalise(request.proxyPath ?? "/");
  const splice = await PROXIES[request.resource.resource]!(request, path, verbs);
  await verbs.admission.validate({ ...request, operation: "CONNECT", dryRun: false });
  const { query } = request;
  return { ...splice, path: query.size === 0 ? splice.path : `${splice.path}?${query}` };
}

type Proxy = (request: ConnectRequest, path: string, verbs: Verbs) => Splice | Promise<Splice>;

const PROXIES: Readonly<Record<string, Proxy>> = { nodes: ofNode, pods: ofPod, services: ofService };

/** As the other side will understand it, so that what is judged is what is served. @throws {StatusError} 400 */
function normalise(path: string): string {
  return new URL(path.replace(/^\/+/, "/"), "http://agent").pathname;
}

/** The pages of a node's agent (Kubernetes documentation: "Kubelet authentication/authorization"). */
function ofNode(request: ConnectRequest, path: string, verbs: Verbs): Splice {
  const { resource, verb } = request;
  const page = pageOf(path);
  if (RUNNING.has(page) && verb !== "create") authorize(request, "create", verbs);
  if (OTHERS.test(page)) throw badRequest(`nodes/proxy does not lead to ${path}`);
  const { name } = parseTarget(request.name);
  if (verbs.registry.cache.get(resource, "", name) === undefined) throw notFound(resource, name);
  return { node: name, path };
}

/** The first part of a path. */
function pageOf(path: string): string {
  try {
    return decodeURIComponent(path.split("/")[1] ?? "");
  } catch (cause) {
    throw badRequest(`invalid URL escape in ${JSON.stringify(path)}`, { cause });
  }
}

function ofPod(request: ConnectRequest, path: string, verbs: Verbs): Splice {
  const { resource, namespace } = request;
  const { scheme, name, port } = parseTarget(request.name);
  const stored = verbs.registry.cache.get(resource, namespace, name);
  if (stored === undefined) throw notFound(resource, name);
  const { spec } = parseObject<PodData>(stored);
  if (!spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
  const ports = (spec.containers ?? []).flatMap(({ ports }) => ports ?? []);
  const found = port === "" ? ports[0] : ports.find((one) => one.name === port);
  const chosen = found?.containerPort ?? numberOf(port === "" ? (scheme === "https" ? "443" : "80") : port);
  return { node: spec.nodeName, path: `/podProxy/${namespace}/${name}/${scheme}/${chosen}/${seenAt(request)}${path}` };
}

/** By a ready endpoint of it, any of them. */
function ofService(request: ConnectRequest, path: string, verbs: Verbs): Splice {
  const { resource, namespace } = request;
  const { scheme, name, port } = parseTarget(request.name);
  const { cache } = verbs.registry;
  const stored = cache.get(resource, namespace, name);
  if (stored === undefined) throw notFound(resource, name);
  const { spec } = parseObject<ApiObject & { spec?: { ports?: { name?: string; port: number }[] } }>(stored);
  const ports = spec?.ports ?? [];
  const asked = ports.find((one) => one.name === port || String(one.port) === port);
  // Without a name it must be clear which one is meant.
  const portName = asked === undefined ? port : asked.name ?? "";
  if (port !== "" && asked === undefined) {
    throw serviceUnavailable(`no service port "${port}" found for service "${name}"`);
  }
  const ready: { pod: string; node: string; port: number }[] = [];
  for (const object of cache.of(verbs.resources.get("endpointslices.discovery.k8s.io")).index.all(namespace)) {
    const slice = parseObject<EndpointSliceData>(object);
    if (slice.metadata.labels?.["kubernetes.io/service-name"] !== name) continue;
    const target = slice.ports?.find((one) => (one.name ?? "") === portName) ??
      (port === "" && slice.ports?.length === 1 ? slice.ports[0] : undefined);
    for (const { conditions, nodeName, targetRef } of slice.endpoints ?? []) {
      if (conditions?.ready === false || target?.port === undefined) continue;
      if (targetRef?.kind !== "Pod" || !targetRef.name || !nodeName) continue;
      ready.push({ pod: targetRef.name, node: nodeName, port: target.port });
    }
  }
  const chosen = ready[Math.floor(Math.random() * ready.length)];
  if (chosen === undefined) throw serviceUnavailable(`no endpoints available for service "${name}"`);
  const way = `${scheme}/${chosen.port}/${seenAt(request)}`;
  return { node: chosen.node, path: `/podProxy/${namespace}/${chosen.pod}/${way}${path}` };
}

/** Where the reader sees the root of what a proxy leads to, in one part of a path: links in pages are led there. */
function seenAt({ resource, namespace, name }: ConnectRequest): string {
  return encodeURIComponent(`/api/v1/namespaces/${namespace}/${resource.resource}/${name}/proxy`);
}

/** `name`, `name:port` or `scheme:name:port`. @throws {StatusError} 400 */
function parseTarget(text: string): { scheme: string; name: string; port: string } {
  const [, scheme = "", name, port = ""] = /^(?:(https?|):)?([^:]+)(?::([^:]*))?$/.exec(text) ?? [];
  if (name === undefined) throw badRequest(`invalid proxy target ${JSON.stringify(text)}`);
  return { scheme: scheme || "http", name, port };
}

function numberOf(port: string): number {
  if (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65535) return Number(port);
  throw badRequest(`invalid proxy port ${JSON.stringify(port)}`);
}
