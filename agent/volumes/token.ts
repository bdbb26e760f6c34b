/** Tokens of service accounts (authentication/v1 TokenRequest): how they are got, and when they are exchanged. */
import type { ResourceClients } from "@k3ts/client";
import { type authenticationV1, type Pod, resources, type ServiceAccount } from "@k3ts/model/objects";
import type { TokenRequest } from "./plan.ts";

/** Bound to the pod: it is worth nothing once the pod is gone. */
export async function requestToken(clients: ResourceClients, pod: Pod, request: TokenRequest): Promise<string> {
  const account = pod.spec?.serviceAccountName ?? "default";
  const answer = await clients.of<ServiceAccount>(resources.serviceaccounts).createSubresource<
    authenticationV1.TokenRequest
  >(
    account,
    {
      namespace: pod.metadata.namespace ?? "default",
      subresource: "token",
      timeoutMs: 10_000,
      object: {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenRequest",
        spec: {
          audiences: request.audience === "" ? [] : [request.audience],
          expirationSeconds: request.expirationSeconds,
          boundObjectRef: { apiVersion: "v1", kind: "Pod", name: pod.metadata.name, uid: pod.metadata.uid },
        },
      },
    },
  );
  const token = answer.status?.token;
  if (token === undefined || token === "") {
    throw new Error(
      `Cannot mount a token of service account "${account}" as the server must give one: its answer has none`,
    );
  }
  return token;
}

/** When a token that could not be exchanged is tried again. */
const RETRY_MS = 10_000;

export interface HeldToken {
  token: string;
  /** ms since the epoch. */
  refreshAt: number;
}

/**
 * The token that is there while it is young, else another one; while nobody can give that, the one that is there as
 * long as it holds.
 * @param before as it was written, by whomever
 */
export async function keepToken(
  before: string | undefined,
  ask: () => Promise<string>,
  now: number,
): Promise<HeldToken> {
  const { refreshAt, expiresAt } = lifeOf(before ?? "");
  if (before !== undefined && refreshAt > now) return { token: before, refreshAt };
  try {
    const token = await ask();
    return { token, refreshAt: Math.max(lifeOf(token).refreshAt, now + RETRY_MS) };
  } catch (error) {
    if (before === undefined || expiresAt <= now) throw error;
    return { token: before, refreshAt: now + RETRY_MS };
  }
}

/** Exchanged at four fifths of its life, or after a day (Kubernetes: "TokenRequest API"). What is no token has no life. */
function lifeOf(token: string): { refreshAt: number; expiresAt: number } {
  try {
    const payload = Uint8Array.fromBase64(token.split(".")[1] ?? "", { alphabet: "base64url" });
    const { iat = 0, exp = 0 } = JSON.parse(new TextDecoder().decode(payload)) as { iat?: number; exp?: number };
    return { refreshAt: Math.min(iat + (exp - iat) * 0.8, iat + 24 * 3600) * 1000, expiresAt: exp * 1000 };
  } catch {
    return { refreshAt: 0, expiresAt: 0 };
  }
}
