/** The calls of ClusterService about join tokens: for those who may work with Secrets in kube-system, where they are. */
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import type { ApiServer, User } from "@k3ts/api";
import { dnsSubdomainProblems } from "@k3ts/model";
import type { ClusterService } from "@k3ts/proto";
import type { CertificateAuthority } from "./certificates.ts";
import type { TokenStore } from "./token_store.ts";
import { makeToken, TOKEN_NAMESPACE, tokenIdOf } from "./tokens.ts";

export interface TokenCallsOptions {
  server: ApiServer;
  ca: CertificateAuthority;
  tokens: TokenStore;
  identify: (context: HandlerContext) => Promise<User>;
  now: () => number;
}

type Calls = Pick<ServiceImpl<typeof ClusterService>, "createToken" | "listTokens" | "deleteToken">;

export function tokenCalls({ server, ca, tokens, identify, now }: TokenCallsOptions): Calls {
  async function require(verb: string, action: string, context: HandlerContext): Promise<void> {
    const user = await identify(context);
    const needed = { verb, group: "", resource: "secrets", namespace: TOKEN_NAMESPACE, name: "" };
    if (server.verbs.access.allowed(user, needed)) return;
    throw new ConnectError(
      `Cannot ${action} as "${user.name}" must be allowed to ${verb} secrets in ${TOKEN_NAMESPACE}`,
      Code.PermissionDenied,
    );
  }

  return {
    async createToken({ ttlSeconds, description, nodeName }, context) {
      await require("create", "create a join token", context);
      const [problem] = nodeName === "" ? [] : dnsSubdomainProblems(nodeName);
      if (problem !== undefined) {
        throw new ConnectError(
          `Cannot create a join token as "${nodeName}" must be a name for a node: ${problem}`,
          Code.InvalidArgument,
        );
      }
      const order = {
        caHash: await ca.fingerprint(),
        ttlSeconds: Number(ttlSeconds),
        description,
        nodeName,
        now: now(),
      };
      const made = await makeToken(order).catch((error) => {
        throw error instanceof RangeError ? new ConnectError(error.message, Code.InvalidArgument) : error;
      });
      await tokens.add(made.stored, now()).catch((error) => {
        throw error instanceof RangeError ? new ConnectError(error.message, Code.ResourceExhausted) : error;
      });
      return { token: made.token, expiresAt: made.stored.expiresAt };
    },

    async listTokens(_request, context) {
      await require("list", "list join tokens", context);
      const valid = await tokens.list(now());
      return { tokens: valid.map(({ hash: _, ...token }) => token) };
    },

    async deleteToken({ token }, context) {
      await require("delete", "delete a join token", context);
      const id = tokenIdOf(token);
      if (id === undefined) {
        throw new ConnectError("Cannot delete the token as an id or a whole token must be given", Code.InvalidArgument);
      }
      if (!await tokens.remove(id)) throw new ConnectError(`There is no join token "${id}"`, Code.NotFound);
      return {};
    },
  };
}
