/**
 * StreamService, as far as the server has to do with it: by the head of a call alone it decides who may have the
 * stream and which node's agent has the container; the gateway joins the two. Not one byte of it comes here.
 */
import { Code, ConnectError } from "@connectrpc/connect";
import { type ApiServer, connect, type Splice, type User } from "@k3ts/api";
import { StreamService } from "@k3ts/proto";

/** In the metadata of a call: `namespace/name`. */
const POD_HEADER = "k3ts-pod";
const CONTAINER_HEADER = "k3ts-container";
const PREFIX = `/${StreamService.typeName}/`;

/** What each method needs, as subresources of pods. */
const METHODS: ReadonlyMap<string, { subresource: string; verb: "get" | "create" }> = new Map([
  ["Logs", { subresource: "log", verb: "get" }],
  ["Exec", { subresource: "exec", verb: "create" }],
  ["Attach", { subresource: "attach", verb: "create" }],
  ["PortForward", { subresource: "portforward", verb: "create" }],
]);

export function isStream(path: string): boolean {
  return path.startsWith(PREFIX);
}

/** @throws {StatusError} of `@k3ts/api`, or {ConnectError} */
export async function spliceStream(
  path: string,
  headers: Headers,
  user: User,
  server: ApiServer,
  signal: AbortSignal,
): Promise<Splice> {
  const name = path.slice(PREFIX.length);
  const method = METHODS.get(name);
  if (method === undefined) throw new ConnectError(`StreamService has no method "${name}"`, Code.Unimplemented);
  const [namespace, pod, ...rest] = (headers.get(POD_HEADER) ?? "").split("/");
  if (!namespace || !pod || rest.length > 0) {
    throw new ConnectError(
      `Cannot open the stream as the metadata ${POD_HEADER} must be NAMESPACE/NAME: it is "${
        headers.get(POD_HEADER) ?? ""
      }"`,
      Code.InvalidArgument,
    );
  }
  const resource = server.resources.find("v1", "pods")!;
  const container = headers.get(CONTAINER_HEADER) ?? "";
  const query = new URLSearchParams(container === "" ? {} : { container });
  const reply = await connect({
    user,
    resource,
    namespace,
    name: pod,
    subresource: method.subresource,
    verb: method.verb,
    query,
    signal,
  }, server.verbs);
  // `/exec/NAMESPACE/POD/CONTAINER`, or without a container where the pod as a whole is meant.
  const [, , , , chosen = ""] = new URL(reply.path, "http://agent").pathname.split("/");
  const target = new URLSearchParams({ namespace, pod, container: decodeURIComponent(chosen) });
  return { node: reply.node, path: `${PREFIX}${name}?${target}` };
}

/** The answer by which the gateway joins the client with an agent. */
export function spliceResponse({ node, path }: Splice): Response {
  return new Response(null, { status: 200, headers: { "k3ts-splice-node": node, "k3ts-splice-path": path } });
}
