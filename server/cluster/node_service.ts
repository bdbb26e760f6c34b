/** NodeService: a node makes itself known and gets its range of addresses. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { forbiddenNodeLabels, type User } from "@k3ts/api";
import { isNotFound, type ResourceClients, retryOnConflict } from "@k3ts/client";
import { type Draft, type Node, resources } from "@k3ts/model";
import type { NodeService } from "@k3ts/proto";
import type { CertificateAuthority } from "./certificates.ts";
import { nextNodeRange } from "./ranges.ts";
import { reportUsage } from "../usage/report_usage.ts";
import type { UsageTable } from "../usage/usage_table.ts";
import { renewCertificate } from "./renew_certificate.ts";
import type { TokenStore } from "./token_store.ts";

export interface NodeServiceOptions {
  /** Clients that may write any node. */
  clients: ResourceClients;
  podCidr: string;
  identify: (context: HandlerContext) => Promise<User>;
  ca: CertificateAuthority;
  tokens: TokenStore;
  usage: UsageTable;
  /** The node on this server's own machine, if there is one: it gets the role `control-plane`, and no taint with it. */
  ownNode?: string | undefined;
}

const CONTROL_PLANE = { "node-role.kubernetes.io/control-plane": "true" };
const USER_PREFIX = "system:node:";

export function nodeService(options: NodeServiceOptions): ServiceImpl<typeof NodeService> {
  const { clients, podCidr, identify, tokens, ownNode } = options;
  const nodes = clients.of<Node>(resources.nodes);
  // One after the other, so that no two nodes are given the same range.
  let last: Promise<unknown> = Promise.resolve();
  return {
    ...renewCertificate(options),
    ...reportUsage(options.usage, identify),
    async register(request, context) {
      const user = await identify(context);
      const node = decode(request.node);
      const name = node.metadata.name ?? "";
      if (user.name !== USER_PREFIX + name || !user.groups.includes("system:nodes")) {
        throw new ConnectError(
          `Cannot register node "${name}" as a node may register itself only: the caller is "${user.name}"`,
          Code.PermissionDenied,
        );
      }
      const turn = last.then(() => register(node, name));
      last = turn.catch(() => {}); // the caller is told; the next one is not concerned
      await turn;
      await tokens.endFor(name);
      return { node: new TextEncoder().encode(JSON.stringify(await turn)) };
    },
  };

  async function register(node: Draft<Node>, name: string): Promise<Node> {
    return await retryOnConflict(async () => {
      const existing = await nodes.get(name).catch((error) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      const range = existing?.spec?.podCIDR ?? await freeRange(node.spec?.podCIDR);
      const spec = { ...existing?.spec, podCIDR: range, podCIDRs: [range] };
      const asked = { ...existing?.metadata.labels, ...node.metadata.labels };
      refuseForeignLabels(name, asked, existing?.metadata.labels);
      const labels = { ...asked, ...(name === ownNode && CONTROL_PLANE) };
      if (existing === undefined) {
        return await nodes.create({
          ...node,
          metadata: { name, labels, annotations: node.metadata.annotations },
          spec: { ...(node.spec?.taints && { taints: node.spec.taints }), ...spec },
        });
      }
      return await nodes.update({ ...existing, metadata: { ...existing.metadata, labels }, spec });
    });
  }

  /** @param wished what it had before somebody deleted it: its pods still have their addresses */
  async function freeRange(wished: string | undefined): Promise<string> {
    const { items } = await nodes.list();
    return nextNodeRange(podCidr, new Set(items.flatMap(({ spec }) => spec?.podCIDR ?? [])), wished);
  }
}

/** A node is written here by the server: what node restriction would say to the node must be said here. */
function refuseForeignLabels(name: string, labels: Record<string, string>, before: Record<string, string> = {}): void {
  const foreign = forbiddenNodeLabels(labels, before);
  if (foreign.length === 0) return;
  throw new ConnectError(
    `Cannot register node "${name}" as its labels must be a node's own to set: ${foreign.join(", ")} are not`,
    Code.PermissionDenied,
  );
}

function decode(bytes: Uint8Array): Draft<Node> {
  try {
    const node = JSON.parse(new TextDecoder().decode(bytes)) as Draft<Node>;
    if (typeof node?.metadata?.name === "string") return node;
  } catch (error) {
    throw new ConnectError(
      "Cannot register the node as it must be a core/v1 Node in JSON",
      Code.InvalidArgument,
      undefined,
      undefined,
      error,
    );
  }
  throw new ConnectError("Cannot register the node as metadata.name must be given", Code.InvalidArgument);
}
