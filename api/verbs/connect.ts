/** Streams to and from a node's agent: who may have them, and which node that is. */
import type { ApiObject } from "@k3ts/model";
import { parseObject } from "../registry/stored_object.ts";
import { badRequest, methodNotSupported, notFound } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import { proxy } from "./proxy.ts";
import type { ConnectRequest, Splice } from "./request.ts";

interface ContainerData {
  name: string;
}

interface PodData extends ApiObject {
  spec?: {
    nodeName?: string;
    containers?: ContainerData[];
    initContainers?: ContainerData[];
    ephemeralContainers?: ContainerData[];
  };
  status?: { phase?: string };
}

/** Where an agent serves what of a pod, and what a client must be allowed to. */
const STREAMS: Readonly<Record<string, { path: string; alsoNeeds?: string; ofPod?: boolean }>> = {
  log: { path: "containerLogs" },
  // A WebSocket begins with GET, which alone must not be enough to run something.
  exec: { path: "exec", alsoNeeds: "create" },
  attach: { path: "attach", alsoNeeds: "create" },
  portforward: { path: "portForward", alsoNeeds: "create", ofPod: true },
};

/** Answers with the node and the path by which the gateway joins the client with its agent. */
export async function connect(request: ConnectRequest, verbs: Verbs): Promise<Splice> {
  if (request.subresource === "proxy") return await proxy(request, verbs);
  const { resource, namespace, name, subresource, verb, query } = request;
  authorize(request, verb, verbs);
  const stream = STREAMS[subresource];
  if (stream === undefined) throw methodNotSupported(resource, verb);
  if (stream.alsoNeeds !== undefined && stream.alsoNeeds !== verb) authorize(request, stream.alsoNeeds, verbs);
  const pod = findPod(request, verbs);
  const container = stream.ofPod ? "" : `/${chooseContainer(pod, query.get("container") ?? "")}`;
  if (!pod.spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
  await verbs.admission.validate({ ...request, operation: "CONNECT", dryRun: false });
  const rest = new URLSearchParams(query);
  rest.delete("container");
  return {
    node: pod.spec.nodeName,
    path: `/${stream.path}/${namespace}/${name}${container}${searchOf(rest)}`,
  };
}

function searchOf(query: URLSearchParams): string {
  return query.size === 0 ? "" : `?${query}`;
}

function findPod({ resource, namespace, name }: ConnectRequest, verbs: Verbs): PodData {
  const stored = verbs.registry.cache.get(resource, namespace, name);
  if (stored === undefined) throw notFound(resource, name);
  return parseObject<PodData>(stored);
}

function chooseContainer({ metadata, spec }: PodData, wanted: string): string {
  const names = (containers: ContainerData[] | undefined) => (containers ?? []).map(({ name }) => name);
  const [main, init, ephemeral] = [
    names(spec?.containers),
    names(spec?.initContainers),
    names(spec?.ephemeralContainers),
  ];
  if (wanted !== "") {
    if ([...main, ...init, ...ephemeral].includes(wanted)) return wanted;
    throw badRequest(`container ${wanted} is not valid for pod ${metadata.name}`);
  }
  if (main.length === 1) return main[0]!;
  const others = init.length === 0 ? "" : ` or one of the init containers: [${init.join(" ")}]`;
  throw badRequest(
    `a container name must be specified for pod ${metadata.name}, choose one of: [${main.join(" ")}]${others}`,
  );
}
