/** Tokens of service accounts (authentication/v1 TokenRequest): how they are got, and when they are exchanged. */
import type { ResourceClients } from "@k3ts/client";
import {
  type authenticationV1,
  type Moment,
  monotonicOf,
  type MonotonicTime,
  type Pod,
  resources,
  type ServiceAccount,
} from "@k3ts/model/objects";
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
const DAY_MS = 24 * 3600 * 1000;

export interface HeldToken {
  token: string;
  refreshAt: MonotonicTime;
  expiresAt: MonotonicTime;
}

/**
 * The token that is there while it is young, else another one; while nobody can give that, the one that is there as
 * long as it holds.
 */
export async function keepToken(
  before: HeldToken | undefined,
  ask: () => Promise<string>,
  { monotonic: now }: Moment,
): Promise<HeldToken> {
  if (before !== undefined && before.refreshAt > now) return before;
  try {
    const { refreshAt, ...held } = heldSince(now, await ask());
    return { ...held, refreshAt: Math.max(refreshAt, now + RETRY_MS) };
  } catch (error) {
    if (before === undefined || before.expiresAt <= now) throw error;
    return { ...before, refreshAt: now + RETRY_MS };
  }
}

/** A token that was found, written by whomever. */
export function foundToken(token: string, now: Moment): HeldToken {
  return heldSince(monotonicOf(lifeOf(token).iat * 1000, now), token);
}

/** Exchanged at four fifths of its life, or after a day (Kubernetes: "TokenRequest API"). */
function heldSince(issuedAt: MonotonicTime, token: string): HeldToken {
  const { iat, exp } = lifeOf(token);
  const lifeMs = (exp - iat) * 1000;
  return { token, refreshAt: issuedAt + Math.min(lifeMs * 0.8, DAY_MS), expiresAt: issuedAt + lifeMs };
}

/** In seconds since the epoch (RFC 7519 section 4.1). What is no token has no life. */
function lifeOf(token: string): { iat: number; exp: number } {
  try {
    const payload = Uint8Array.fromBase64(token.split(".")[1] ?? "", { alphabet: "base64url" });
    const { iat = 0, exp = 0 } = JSON.parse(new TextDecoder().decode(payload)) as { iat?: number; exp?: number };
    return { iat, exp };
  } catch {
    return { iat: 0, exp: 0 };
  }
}
