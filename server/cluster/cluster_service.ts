/** ClusterService: what the cluster is, and how machines join it. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { type ApiServer, AUTHENTICATED, type User } from "@k3ts/api";
import type { ResourceClient } from "@k3ts/client";
import { dnsSubdomainProblems, type Node } from "@k3ts/model";
import { type ClusterService, type GetInfoResponse, GetInfoResponseSchema, NetworkRangesSchema } from "@k3ts/proto";
import { create } from "@bufbuild/protobuf";
import type { CertificateAuthority } from "./certificates.ts";
import type { ClusterRanges } from "./ranges.ts";
import type { TokenStore } from "./token_store.ts";
import { claimNode } from "./node_claims.ts";
import { signForNode } from "./renew_certificate.ts";
import { tokenCalls } from "./token_calls.ts";
import { isValid, tokenId } from "./tokens.ts";

export interface ClusterServiceOptions {
  server: ApiServer;
  ca: CertificateAuthority;
  tokens: TokenStore;
  /** That may write any node. */
  nodes: ResourceClient<Node>;
  ranges: ClusterRanges;
  versions: { k3ts: string; kubernetes: string };
  identify: (context: HandlerContext) => Promise<User>;
  now: () => number;
}

export function clusterService(options: ClusterServiceOptions): ServiceImpl<typeof ClusterService> {
  const { ca, tokens, nodes, identify, now } = options;
  return {
    async getInfo(_request, context) {
      const user = await identify(context);
      if (!user.groups.includes(AUTHENTICATED)) {
        throw new ConnectError("Cannot get cluster info as the caller must be authenticated", Code.Unauthenticated);
      }
      return infoOf(options);
    },

    ...tokenCalls(options),

    async join({ token, nodeName, certificateRequest }, context) {
      const id = tokenId(token);
      const stored = id === undefined ? undefined : await tokens.find(id);
      if (stored === undefined || !await isValid(token, stored, now())) {
        throw new ConnectError(
          "Cannot join as the token must be valid: it is unknown or has expired",
          Code.Unauthenticated,
        );
      }
      const [problem] = dnsSubdomainProblems(nodeName);
      if (problem !== undefined) {
        throw new ConnectError(
          `Cannot join as "${nodeName}" must be a name for a node: ${problem}`,
          Code.InvalidArgument,
        );
      }
      if (stored.nodeName !== "" && stored.nodeName !== nodeName) {
        throw new ConnectError(
          `Cannot join as "${nodeName}" as the token must be for that node: it is for "${stored.nodeName}"`,
          Code.PermissionDenied,
        );
      }
      const certificate = await signForNode(ca, certificateRequest, `system:node:${nodeName}`);
      // A token lets machines in; it must not let one take the place of another, unless it was made for that very
      // node. A node itself may ask for a new certificate.
      const isItself = stored.nodeName !== "" || (await identify(context)).name === `system:node:${nodeName}`;
      if (!isItself && !await claimNode(nodes, nodeName, new Uint8Array(certificateRequest))) {
        throw new ConnectError(
          `Cannot join as "${nodeName}" must be the name of a new node: there is one already. ` +
            "Choose another name; or, if this is that machine, join with a token made for it: " +
            `k3ts token create --node ${nodeName}`,
          Code.AlreadyExists,
        );
      }
      return { certificate, caCertificate: ca.pem, cluster: infoOf(options) };
    },
  };
}

function infoOf({ server, ranges, versions }: ClusterServiceOptions): GetInfoResponse {
  return create(GetInfoResponseSchema, {
    clusterId: server.writer.cluster,
    version: versions.k3ts,
    kubernetesVersion: versions.kubernetes,
    storeEpoch: BigInt(server.writer.epoch),
    network: create(NetworkRangesSchema, ranges),
  });
}
