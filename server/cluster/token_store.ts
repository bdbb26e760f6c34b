/** Join tokens as Secrets in kube-system: only their hashes, so that who may read Secrets may not join with them. */
import { isNotFound, type ResourceClient, type ResourceClients } from "@k3ts/client";
import { resources, type Secret } from "@k3ts/model";
import { type StoredToken, TOKEN_NAMESPACE, TOKEN_SECRET_TYPE } from "./tokens.ts";

/** Tokens that may be valid at the same time. */
const TOKENS_MAX = 1_000;

export class TokenStore {
  readonly #secrets: ResourceClient<Secret>;

  constructor(clients: ResourceClients) {
    this.#secrets = clients.of<Secret>(resources.secrets);
  }

  /** Expired ones are forgotten on the way. @throws {RangeError} when there are too many */
  async add({ id, hash, expiresAt, description, nodeName }: StoredToken, now: number): Promise<void> {
    const all = await this.#all();
    const expired = all.filter((token) => isExpired(token, now));
    for (const token of expired) await this.remove(token.id);
    if (all.length - expired.length >= TOKENS_MAX) {
      throw new RangeError(`Cannot create a token as at most ${TOKENS_MAX} may be valid at a time: there are as many`);
    }
    await this.#secrets.create({
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: nameOf(id), namespace: TOKEN_NAMESPACE },
      type: TOKEN_SECRET_TYPE,
      data: {
        hash: btoa(hash),
        "expires-at": btoa(expiresAt),
        "node-name": btoa(nodeName),
        description: new TextEncoder().encode(description).toBase64(),
      },
    });
  }

  async find(id: string): Promise<StoredToken | undefined> {
    const secret = await this.#secrets.get(nameOf(id), { namespace: TOKEN_NAMESPACE }).catch(ignoreMissing);
    return secret?.type === TOKEN_SECRET_TYPE ? read(secret) : undefined;
  }

  /** Those that are valid, the first to expire first. */
  async list(now: number): Promise<StoredToken[]> {
    return (await this.#all()).filter((token) => !isExpired(token, now))
      .sort((one, other) => Date.parse(one.expiresAt) - Date.parse(other.expiresAt));
  }

  /** @returns whether there was one */
  async remove(id: string): Promise<boolean> {
    // Nothing else that somebody has called so.
    if (await this.find(id) === undefined) return false;
    await this.#secrets.delete(nameOf(id), { namespace: TOKEN_NAMESPACE }).catch(ignoreMissing);
    return true;
  }

  /** What was made for one node ends once that node is there. */
  async endFor(nodeName: string): Promise<void> {
    for (const token of await this.#all()) if (token.nodeName === nodeName) await this.remove(token.id);
  }

  async #all(): Promise<StoredToken[]> {
    const { items } = await this.#secrets.list({
      namespace: TOKEN_NAMESPACE,
      fieldSelector: `type=${TOKEN_SECRET_TYPE}`,
    });
    return items.map(read);
  }
}

function nameOf(id: string): string {
  return `join-token-${id}`;
}

function isExpired({ expiresAt }: StoredToken, now: number): boolean {
  // What cannot be read as a time has none left.
  return !(Date.parse(expiresAt) > now);
}

function read({ metadata, data = {} }: Secret): StoredToken {
  const field = (name: string) => new TextDecoder().decode(Uint8Array.fromBase64(data[name] ?? ""));
  return {
    id: metadata.name.slice(nameOf("").length),
    hash: field("hash"),
    expiresAt: field("expires-at"),
    description: field("description"),
    nodeName: field("node-name"),
  };
}

function ignoreMissing(error: unknown): undefined {
  if (!isNotFound(error)) throw error;
  return undefined;
}
