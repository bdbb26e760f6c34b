/**
 * Join tokens: `K3TS1.<SHA-256 of the CA certificate, hex>.<id>.<secret>`. The server keeps a hash of the
 * secret only; the CA's hash lets whoever joins know the server before it trusts it.
 */

/** The Secret in kube-system that keeps a token is `join-token-<id>`, of this type. */
export const TOKEN_SECRET_TYPE = "k3ts.dev/join-token";
export const TOKEN_NAMESPACE = "kube-system";

const PREFIX = "K3TS1";
const ID_BYTES = 4;
const SECRET_BYTES = 24;
const TTL_SECONDS_DEFAULT = 24 * 60 * 60;
const TTL_SECONDS_MAX = 365 * 24 * 60 * 60;
const DESCRIPTION_LENGTH_MAX = 1024;

/** What is stored of a token. */
export interface StoredToken {
  id: string;
  /** SHA-256 of the secret, hex. The secret has 192 bits, so that one round is enough. */
  hash: string;
  /** RFC 3339. */
  expiresAt: string;
  description: string;
  /** Who alone may join with it; empty: any machine whose name is new. */
  nodeName: string;
}

/** @param ttlSeconds 0: a day */
export async function makeToken(
  { caHash, ttlSeconds, description, nodeName = "", now }: {
    caHash: string;
    ttlSeconds: number;
    description: string;
    nodeName?: string;
    now: number;
  },
): Promise<{ token: string; stored: StoredToken }> {
  const seconds = ttlSeconds === 0 ? TTL_SECONDS_DEFAULT : ttlSeconds;
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > TTL_SECONDS_MAX) {
    throw new RangeError(
      `Cannot create a token as its lifetime must be 1 to ${TTL_SECONDS_MAX} seconds: it is ${ttlSeconds}`,
    );
  }
  if (description.length > DESCRIPTION_LENGTH_MAX) {
    throw new RangeError(
      `Cannot create a token as its description must have at most ${DESCRIPTION_LENGTH_MAX} characters: ` +
        `it has ${description.length}`,
    );
  }
  const id = crypto.getRandomValues(new Uint8Array(ID_BYTES)).toHex();
  const secret = crypto.getRandomValues(new Uint8Array(SECRET_BYTES)).toHex();
  const expiresAt = new Date(now + seconds * 1000).toISOString();
  return {
    token: `${PREFIX}.${caHash}.${id}.${secret}`,
    stored: { id, hash: await sha256(secret), expiresAt, description, nodeName },
  };
}

/** @param presented `<id>.<secret>` @returns the id to look up, or undefined when it cannot be a token */
export function tokenId(presented: string): string | undefined {
  return /^([0-9a-f]{8})\.[0-9a-f]{48}$/.exec(presented)?.[1];
}

/** Of a token in any form in which people have it: whole, as it is presented, or the id alone. */
export function tokenIdOf(text: string): string | undefined {
  return /^(?:K3TS1\.[0-9a-f]{64}\.)?([0-9a-f]{8})(?:\.[0-9a-f]{48})?$/i.exec(text.trim())?.[1]?.toLowerCase();
}

/** Whether what was presented is the stored token and still valid. Takes the same time whatever differs. */
export async function isValid(presented: string, stored: StoredToken, now: number): Promise<boolean> {
  const secret = presented.slice(presented.indexOf(".") + 1);
  const hash = await sha256(secret);
  let difference = hash.length ^ stored.hash.length;
  for (let i = 0; i < hash.length; i++) difference |= hash.charCodeAt(i) ^ stored.hash.charCodeAt(i);
  return difference === 0 && Date.parse(stored.expiresAt) > now;
}

async function sha256(text: string): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))).toHex();
}
