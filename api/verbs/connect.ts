/** Streams to and from a container: who may have them, and which node has the container. */
import type { ApiObject } from "@k3ts/model";
import { parseObject } from "../registry/stored_object.ts";
import { badRequest, methodNotSupported, notFound } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import type { ConnectRequest, Reply } from "./request.ts";

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

/** Where an agent serves what, and what a client must be allowed to. */
const STREAMS: Readonly<Record<string, { path: string; alsoNeeds?: string }>> = {
  log: { path: "logs" },
  // A WebSocket begins with GET, which alone must not be enough to run something.
  exec: { path: "exec", alsoNeeds: "create" },
};

/** Answers with the node and the path by which the gateway joins the client with the container. */
export async function connect(request: ConnectRequest, verbs: Verbs): Promise<Reply> {
  const { resource, namespace, name, subresource, verb, query } = request;
  authorize(request, verb, verbs);
  const stream = STREAMS[subresource];
  if (stream === undefined) throw methodNotSupported(resource, verb);
  if (stream.alsoNeeds !== undefined && stream.alsoNeeds !== verb) authorize(request, stream.alsoNeeds, verbs);
  const { pod, container } = findContainer(request, verbs);
  await verbs.admission.validate({ ...request, operation: "CONNECT", dryRun: false });
  const rest = new URLSearchParams(query);
  rest.delete("container");
  const search = rest.size === 0 ? "" : `?${rest}`;
  return {
    type: "splice",
    node: pod.spec!.nodeName!,
    path: `/${stream.path}/${namespace}/${name}/${container}${search}`,
  };
}

/** The pod of a request, which must have a node, and the container that is meant. */
function findContainer(request: ConnectRequest, verbs: Verbs): { pod: PodData; container: string } {
  const { resource, namespace, name, query } = request;
  const stored = verbs.registry.cache.get(resource, namespace, name);
  if (stored === undefined) throw notFound(resource, name);
  const pod = parseObject<PodData>(stored);
  const container = chooseContainer(pod, query.get("container") ?? "");
  if (!pod.spec?.nodeName) throw badRequest(`pod ${name} does not have a host assigned`);
  return { pod, container };
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
