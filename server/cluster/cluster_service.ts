/** ClusterService: what the cluster is, and how machines join it. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { type ApiServer, AUTHENTICATED, type User } from "@k3ts/api";
import { dnsSubdomainProblems } from "@k3ts/model";
import { type ClusterService, type GetInfoResponse, GetInfoResponseSchema, NetworkRangesSchema } from "@k3ts/proto";
import { create } from "@bufbuild/protobuf";
import type { CertificateAuthority } from "./certificates.ts";
import type { ClusterRanges } from "./ranges.ts";
import type { TokenStore } from "./token_store.ts";
import { isValid, makeToken, TOKEN_NAMESPACE, tokenId } from "./tokens.ts";

export interface ClusterServiceOptions {
  server: ApiServer;
  ca: CertificateAuthority;
  tokens: TokenStore;
  ranges: ClusterRanges;
  versions: { k3ts: string; kubernetes: string };
  identify: (context: HandlerContext) => Promise<User>;
  now: () => number;
}

/** Requests to sign are small; what is larger is something else. */
const CERTIFICATE_REQUEST_BYTES_MAX = 16 * 1024;

export function clusterService(options: ClusterServiceOptions): ServiceImpl<typeof ClusterService> {
  const { server, ca, tokens, identify, now } = options;
  return {
    async getInfo(_request, context) {
      const user = await identify(context);
      if (!user.groups.includes(AUTHENTICATED)) {
        throw new ConnectError("Cannot get cluster info as the caller must be authenticated", Code.Unauthenticated);
      }
      return infoOf(options);
    },

    async createToken({ ttlSeconds, description }, context) {
      const user = await identify(context);
      if (
        !server.verbs.access.allowed(user, {
          verb: "create",
          group: "",
          resource: "secrets",
          namespace: TOKEN_NAMESPACE,
          name: "",
        })
      ) {
        throw new ConnectError(
          `Cannot create a join token as "${user.name}" must be allowed to create secrets in ${TOKEN_NAMESPACE}`,
          Code.PermissionDenied,
        );
      }
      const made = await makeToken({
        caHash: await ca.fingerprint(),
        ttlSeconds: Number(ttlSeconds),
        description,
        now: now(),
      }).catch(invalidArgument);
      await tokens.add(made.stored, now()).catch((error) => {
        throw error instanceof RangeError ? new ConnectError(error.message, Code.ResourceExhausted) : error;
      });
      return { token: made.token, expiresAt: made.stored.expiresAt };
    },

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
      // A token lets machines in; it must not let one take the place of another. A node itself may ask for a new one.
      const taken = server.registry.cache.get(server.resources.get("nodes"), "", nodeName) !== undefined;
      if (taken && (await identify(context)).name !== `system:node:${nodeName}`) {
        throw new ConnectError(
          `Cannot join as "${nodeName}" must be the name of a new node: there is one already. ` +
            "Choose another name, or delete that node first if its machine is gone",
          Code.AlreadyExists,
        );
      }
      if (certificateRequest.length > CERTIFICATE_REQUEST_BYTES_MAX) {
        throw new ConnectError(
          `Cannot join as a certificate request must be at most ${CERTIFICATE_REQUEST_BYTES_MAX} bytes: it has ${certificateRequest.length}`,
          Code.InvalidArgument,
        );
      }
      const certificate = await ca.signClientRequest(new Uint8Array(certificateRequest), {
        user: `system:node:${nodeName}`,
        groups: ["system:nodes"],
      })
        .catch(invalidArgument);
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

function invalidArgument(error: unknown): never {
  throw new ConnectError(
    error instanceof Error ? error.message : String(error),
    Code.InvalidArgument,
    undefined,
    undefined,
    error,
  );
}
