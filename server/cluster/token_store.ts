/** Join tokens as Secrets in kube-system: only their hashes, so that who may read Secrets may not join with them. */
import { isNotFound, type ResourceClients } from "@k3ts/client";
import { resources, type Secret } from "@k3ts/model";
import { type StoredToken, TOKEN_NAMESPACE, TOKEN_SECRET_TYPE } from "./tokens.ts";

/** Tokens that may be valid at the same time. */
const TOKENS_MAX = 1_000;

export class TokenStore {
  constructor(private readonly clients: ResourceClients) {}

  /** Expired ones are forgotten on the way. @throws when there are too many */
  async add({ id, hash, expiresAt, description }: StoredToken, now: number): Promise<void> {
    const secrets = this.clients.of<Secret>(resources.secrets);
    const { items } = await secrets.list({ namespace: TOKEN_NAMESPACE, fieldSelector: `type=${TOKEN_SECRET_TYPE}` });
    const expired = items.filter((secret) => Date.parse(read(secret).expiresAt) <= now);
    for (const { metadata } of expired) {
      await secrets.delete(metadata.name, { namespace: TOKEN_NAMESPACE }).catch(ignoreMissing);
    }
    if (items.length - expired.length >= TOKENS_MAX) {
      throw new RangeError(`Cannot create a token as at most ${TOKENS_MAX} may be valid at a time: there are as many`);
    }
    await secrets.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: nameOf(id), namespace: TOKEN_NAMESPACE },
      type: TOKEN_SECRET_TYPE,
      data: {
        hash: btoa(hash),
        "expires-at": btoa(expiresAt),
        description: new TextEncoder().encode(description).toBase64(),
      },
    });
  }

  async find(id: string): Promise<StoredToken | undefined> {
    const secret = await this.clients.of<Secret>(resources.secrets).get(nameOf(id), { namespace: TOKEN_NAMESPACE })
      .catch(ignoreMissing);
    return secret?.type === TOKEN_SECRET_TYPE ? read(secret) : undefined;
  }
}

function nameOf(id: string): string {
  return `join-token-${id}`;
}

function read({ metadata, data = {} }: Secret): StoredToken {
  const field = (name: string) => new TextDecoder().decode(Uint8Array.fromBase64(data[name] ?? ""));
  return {
    id: metadata.name.slice(nameOf("").length),
    hash: field("hash"),
    expiresAt: field("expires-at"),
    description: field("description"),
  };
}

function ignoreMissing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}
