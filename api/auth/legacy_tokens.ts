/**
 * Tokens that are kept in Secrets (type kubernetes.io/service-account-token): they never expire, and hold as long as
 * their Secret has them. Pure. Claims as Kubernetes writes them (`pkg/serviceaccount/legacy.go`, 1.35).
 */
import type { TokenClaims } from "./service_account_tokens.ts";

export const LEGACY_ISSUER = "kubernetes/serviceaccount";
const PREFIX = "kubernetes.io/serviceaccount/";

export interface LegacyOrder {
  namespace: string;
  serviceAccount: { name: string; uid: string };
  /** The Secret's name. */
  secret: string;
}

export function legacyClaims({ namespace, serviceAccount, secret }: LegacyOrder): Record<string, string> {
  return {
    iss: LEGACY_ISSUER,
    [`${PREFIX}namespace`]: namespace,
    [`${PREFIX}secret.name`]: secret,
    [`${PREFIX}service-account.name`]: serviceAccount.name,
    [`${PREFIX}service-account.uid`]: serviceAccount.uid,
    sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
  };
}

/** The claims of such a token as those of any other; undefined where some are missing. */
export function readLegacyClaims(
  claims: Readonly<Record<string, unknown>>,
  token: string,
  audience: string,
): TokenClaims | undefined {
  const [namespace, secret, name, uid] = ["namespace", "secret.name", "service-account.name", "service-account.uid"]
    .map((key) => claims[PREFIX + key]);
  for (const each of [namespace, secret, name, uid]) if (typeof each !== "string" || each === "") return undefined;
  if (claims.sub !== `system:serviceaccount:${namespace}:${name}`) return undefined;
  return {
    iss: LEGACY_ISSUER,
    sub: claims.sub,
    aud: [audience],
    exp: Infinity,
    iat: 0,
    nbf: 0,
    jti: "",
    "kubernetes.io": {
      namespace: namespace as string,
      serviceaccount: { name: name as string, uid: uid as string },
      keptIn: { secret: secret as string, token },
    },
  };
}
