/**
 * Tokens of service accounts: JSON Web Tokens that are bound to the account's uid, and perhaps to a pod or a Secret.
 * No I/O: keys are handed in, and whether what a token is bound to still exists is asked of the caller.
 *
 * Claims as Kubernetes writes them (KEP-1205); signatures ES256 or RS256 (RFC 7518) by WebCrypto.
 */
import { isJsonObject } from "@k3ts/model";
import { LEGACY_ISSUER, legacyClaims, type LegacyOrder, readLegacyClaims } from "./legacy_tokens.ts";
import { serviceAccountUser, type User } from "./user.ts";

export interface TokenKey {
  /** `kid` of the tokens that it signs. */
  id: string;
  publicKey: CryptoKey;
}

export interface TokenKeys {
  /** Signs. */
  current: TokenKey & { privateKey: CryptoKey };
  /** Are believed too: keys before a rotation. */
  others?: readonly TokenKey[];
}

export interface Reference {
  name: string;
  uid: string;
}

export interface NodeReference {
  name: string;
  uid?: string;
}

export interface BoundObject extends Reference {
  kind: "Pod" | "Secret" | "Node";
}

export interface TokenClaims {
  iss: string;
  sub: string;
  aud: string[];
  /** Seconds since the epoch. */
  exp: number;
  iat: number;
  nbf: number;
  jti: string;
  "kubernetes.io": {
    namespace: string;
    serviceaccount: Reference;
    pod?: Reference;
    /** Of a pod's token the node of the pod, for information: without a uid where it was gone; else bound to it. */
    node?: NodeReference;
    secret?: Reference;
    /** Never in a token itself: where one that does not expire is kept. */
    keptIn?: { secret: string; token: string };
    warnafter?: number;
  };
}

export interface TokenOrder {
  namespace: string;
  serviceAccount: Reference;
  boundTo?: BoundObject;
  /** The node of the pod that the token is bound to. */
  node?: NodeReference;
  /** Empty: the issuer's own. */
  audiences?: readonly string[];
  expirationSeconds: number;
}

/** Tokens whose verified claims are kept, as verifying a signature costs more than most requests. */
const VERIFIED_MAX = 4096;
/** Larger ones, for very many audiences, are verified each time. */
const VERIFIED_LENGTH_MAX = 4096;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export class ServiceAccountTokens {
  readonly issuer: string;
  readonly #keys: TokenKeys;
  readonly #now: () => number;
  readonly #verified = new Map<string, TokenClaims>();

  /** @param now ms since the epoch */
  constructor(issuer: string, keys: TokenKeys, now: () => number) {
    this.issuer = issuer;
    this.#keys = keys;
    this.#now = now;
  }

  async sign(order: TokenOrder): Promise<{ token: string; expiresAt: number }> {
    const { namespace, serviceAccount, boundTo, node, audiences = [], expirationSeconds } = order;
    const iat = Math.floor(this.#now() / 1000);
    const claims: TokenClaims = {
      aud: audiences.length === 0 ? [this.issuer] : [...audiences],
      exp: iat + expirationSeconds,
      iat,
      iss: this.issuer,
      jti: crypto.randomUUID(),
      "kubernetes.io": {
        namespace,
        ...(node !== undefined && { node }),
        ...(boundTo !== undefined && { [boundTo.kind.toLowerCase()]: { name: boundTo.name, uid: boundTo.uid } }),
        serviceaccount: serviceAccount,
      },
      nbf: iat,
      sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    };
    return { token: await this.#sign(claims), expiresAt: claims.exp * 1000 };
  }

  /** A token without end, for a Secret. */
  async signLegacy(order: LegacyOrder): Promise<string> {
    return await this.#sign(legacyClaims(order));
  }

  async #sign(claims: object): Promise<string> {
    const { id, privateKey } = this.#keys.current;
    const head = encode(encoder.encode(JSON.stringify({ alg: algorithmOf(privateKey).name, kid: id })));
    const signed = `${head}.${encode(encoder.encode(JSON.stringify(claims)))}`;
    const signature = await crypto.subtle.sign(algorithmOf(privateKey).sign, privateKey, encoder.encode(signed));
    return `${signed}.${encode(new Uint8Array(signature))}`;
  }

  /**
   * The claims of a token that we have signed, that has not expired and is for one of the audiences.
   * @returns undefined for a token of another issuer, which somebody else may know
   * @throws {TokenRefused} when it is ours and not valid
   */
  async verify(token: string, audiences: readonly string[] = [this.issuer]): Promise<TokenClaims | undefined> {
    const claims = this.#verified.get(token) ?? await this.#verifySignature(token);
    if (claims === undefined) return undefined;
    const now = this.#now() / 1000;
    if (claims.exp <= now) throw new TokenRefused("service account token has expired");
    // A minute of grace for clocks that differ.
    if (claims.nbf > now + 60) throw new TokenRefused("service account token is not valid yet");
    if (!claims.aud.some((audience) => audiences.includes(audience))) {
      throw new TokenRefused(
        `invalid bearer token: token audiences ${JSON.stringify(claims.aud)} is invalid for the target audiences ` +
          JSON.stringify(audiences),
      );
    }
    return claims;
  }

  /** The public keys as a JSON Web Key Set (RFC 7517). */
  async keySet(): Promise<{ keys: JsonWebKey[] }> {
    const keys = [this.#keys.current, ...this.#keys.others ?? []];
    return {
      keys: await Promise.all(keys.map(async ({ id, publicKey }) => {
        const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey("jwk", publicKey);
        const alg = algorithmOf(publicKey).name;
        const parts = kty === "EC" ? { crv: crv!, x: x!, y: y! } : { n: n!, e: e! };
        return { use: "sig", kty: kty!, kid: id, alg, ...parts };
      })),
    };
  }

  async #verifySignature(token: string): Promise<TokenClaims | undefined> {
    const parts = token.split(".");
    if (parts.length !== 3) return undefined;
    const [head, body, signature] = parts as [string, string, string];
    const header = parse<{ alg?: string; kid?: string }>(head);
    const parsed = parse<TokenClaims & Record<string, unknown>>(body);
    if (header === undefined || parsed === undefined) return undefined;
    const isLegacy = parsed.iss === LEGACY_ISSUER;
    if (!isLegacy && parsed.iss !== this.issuer) return undefined;
    const key = [this.#keys.current, ...this.#keys.others ?? []].find(({ id }) => id === header.kid);
    if (key === undefined) throw new TokenRefused("service account token is signed by an unknown key");
    const { name, sign } = algorithmOf(key.publicKey);
    // The key decides on the algorithm, never the token.
    if (header.alg !== name) throw new TokenRefused(`service account token must be signed by ${name}: ${header.alg}`);
    const bytes = decode(signature);
    const signed = encoder.encode(`${head}.${body}`);
    if (bytes === undefined || !await crypto.subtle.verify(sign, key.publicKey, bytes, signed)) {
      throw new TokenRefused("service account token has a wrong signature");
    }
    const claims = isLegacy ? readLegacyClaims(parsed, token, this.issuer) : parsed;
    if (claims === undefined || !isWhole(claims)) throw new TokenRefused("service account token lacks claims");
    if (token.length > VERIFIED_LENGTH_MAX) return claims;
    this.#forgetSome();
    this.#verified.set(token, claims);
    return claims;
  }

  /** Makes room for one: looks at two, so that those that have expired are found before they are many. */
  #forgetSome(): void {
    for (const [token, claims] of this.#verified.entries().take(2).toArray()) {
      this.#verified.delete(token);
      const hasRoom = this.#verified.size < VERIFIED_MAX - 1;
      if (hasRoom && claims.exp > this.#now() / 1000) this.#verified.set(token, claims);
    }
  }
}

export class TokenRefused extends Error {
  override name = "TokenRefused";
}

/** What the cluster has: uids of objects, or undefined where they are gone or going. */
export interface Existence {
  uidOf(resource: "serviceaccounts" | "pods" | "secrets" | "nodes", namespace: string, name: string):
    | string
    | undefined;
  /** What a Secret has as its token. */
  tokenIn(namespace: string, secret: string): string | undefined;
}

/**
 * The user that a token stands for.
 * @throws {TokenRefused} when its account, or what it is bound to, is no more
 */
export function userOfToken(claims: TokenClaims, existence: Existence): User {
  const { namespace, serviceaccount, pod, secret, node, keptIn } = claims["kubernetes.io"];
  const account = existence.uidOf("serviceaccounts", namespace, serviceaccount.name);
  if (account === undefined) {
    throw new TokenRefused(`service account ${namespace}/${serviceaccount.name} has been deleted`);
  }
  if (account !== serviceaccount.uid) {
    throw new TokenRefused(`service account UID (${account}) does not match claim (${serviceaccount.uid})`);
  }
  const bound = [["secrets", secret], ["pods", pod], ["nodes", pod === undefined ? node : undefined]] as const;
  for (const [resource, one] of bound) {
    if (one === undefined) continue;
    const uid = existence.uidOf(resource, resource === "nodes" ? "" : namespace, one.name);
    if (uid === undefined || uid !== one.uid) throw new TokenRefused("service account token has been invalidated");
  }
  if (keptIn !== undefined) {
    if (existence.tokenIn(namespace, keptIn.secret) === keptIn.token) {
      return serviceAccountUser(namespace, serviceaccount.name, serviceaccount.uid);
    }
    throw new TokenRefused("service account token has been invalidated");
  }
  return serviceAccountUser(namespace, serviceaccount.name, serviceaccount.uid, {
    "authentication.kubernetes.io/credential-id": [`JTI=${claims.jti}`],
    ...(node !== undefined && {
      "authentication.kubernetes.io/node-name": [node.name],
      ...(node.uid !== undefined && { "authentication.kubernetes.io/node-uid": [node.uid] }),
    }),
    ...(pod !== undefined && {
      "authentication.kubernetes.io/pod-name": [pod.name],
      "authentication.kubernetes.io/pod-uid": [pod.uid],
    }),
  });
}

/** A fresh ES256 key, for tests and for a cluster's first start. */
export async function generateTokenKey(id: string): Promise<TokenKeys> {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  return { current: { id, privateKey: pair.privateKey, publicKey: pair.publicKey } };
}

function algorithmOf(key: CryptoKey): { name: string; sign: AlgorithmIdentifier | EcdsaParams } {
  if (key.algorithm.name === "ECDSA") return { name: "ES256", sign: { name: "ECDSA", hash: "SHA-256" } };
  if (key.algorithm.name === "RSASSA-PKCS1-v1_5") return { name: "RS256", sign: "RSASSA-PKCS1-v1_5" };
  throw new TypeError(
    `Cannot use a key for service account tokens as it must be ECDSA P-256 or RSASSA-PKCS1-v1_5: ${key.algorithm.name}`,
  );
}

function isWhole(claims: TokenClaims): boolean {
  const bound = claims["kubernetes.io"];
  return Array.isArray(claims.aud) && typeof claims.exp === "number" && typeof claims.nbf === "number" &&
    typeof bound?.namespace === "string" && typeof bound.serviceaccount?.name === "string" &&
    typeof bound.serviceaccount.uid === "string";
}

function parse<T>(part: string): T | undefined {
  const bytes = decode(part);
  if (bytes === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return isJsonObject(value) ? value as T : undefined;
  } catch {
    return undefined;
  }
}

function encode(bytes: Uint8Array): string {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}

function decode(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.fromBase64(text, { alphabet: "base64url" });
  } catch {
    return undefined;
  }
}
