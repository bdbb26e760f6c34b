/**
 * Reads from an OCI registry (distribution-spec 1.1; token authentication as in the distribution project's
 * "Token Authentication Specification"). Anonymous or with a name and password.
 */
import { concatBytes } from "@k3ts/model/objects";
import { type Blobs, digestOf } from "./blobs.ts";
import { type Descriptor, DOCUMENT_BYTES_MAX, MANIFEST_TYPES } from "./oci.ts";
import type { ImageReference } from "./reference.ts";

export interface Credentials {
  username: string;
  password: string;
}

/** A registry did not give what was asked. `status` is its HTTP status, when it answered. */
class RegistryError extends Error {
  override name = "RegistryError";
  constructor(message: string, readonly status?: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** One repository of one registry. Keeps its token for as long as it lives. */
export class Registry {
  readonly #reference: ImageReference;
  readonly #base: string;
  readonly #credentials: Credentials | undefined;
  #authorization?: string;

  constructor(reference: ImageReference, credentials?: Credentials) {
    this.#reference = reference;
    this.#credentials = credentials;
    const host = reference.registry === "docker.io" ? "registry-1.docker.io" : reference.registry;
    this.#base = `${isLoopback(host) ? "http" : "https"}://${host}/v2/${reference.repository}`;
  }

  /** The document behind a tag or digest, verified, with its digest and type. */
  async manifest(
    tagOrDigest: string,
    signal: AbortSignal,
  ): Promise<{ digest: string; mediaType: string; bytes: Uint8Array<ArrayBuffer> }> {
    const response = await this.#get(`/manifests/${tagOrDigest}`, { accept: MANIFEST_TYPES.join(", ") }, signal);
    const bytes = await readAtMost(response, DOCUMENT_BYTES_MAX);
    const digest = digestOf(bytes);
    if (tagOrDigest.startsWith("sha256:") && digest !== tagOrDigest) {
      throw new RegistryError(`Cannot use a manifest as its digest must be ${tagOrDigest}: it is ${digest}`);
    }
    return { digest, mediaType: response.headers.get("content-type") ?? "", bytes };
  }

  /** Brings a blob to disk, continuing what is there. */
  async blob(descriptor: Descriptor, sizeMax: number, blobs: Blobs, signal: AbortSignal): Promise<void> {
    if (!(descriptor.size >= 0 && descriptor.size <= sizeMax)) {
      throw new RegistryError(
        `Cannot fetch ${descriptor.digest} as it must have at most ${sizeMax} bytes: it has ${descriptor.size}`,
      );
    }
    await blobs.receive(descriptor.digest, descriptor.size, async (offset) => {
      const headers: Record<string, string> = offset > 0 ? { range: `bytes=${offset}-` } : {};
      const response = await this.#get(`/blobs/${descriptor.digest}`, headers, signal);
      // A registry that does not know ranges begins anew.
      const from = response.status === 206 ? offset : 0;
      return { stream: response.body ?? new Blob([]).stream(), offset: from };
    }, signal);
  }

  async #get(path: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const url = `${this.#base}${path}`;
    const first = await this.#send(url, headers, signal);
    if (first.status !== 401) return this.#accept(first, url);
    await first.body?.cancel();
    this.#authorization = await this.#authorize(first.headers.get("www-authenticate") ?? "", signal);
    return this.#accept(await this.#send(url, headers, signal), url);
  }

  async #send(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const all = { ...headers, ...(this.#authorization !== undefined && { authorization: this.#authorization }) };
    try {
      return await fetch(url, { headers: all, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new RegistryError(`Cannot reach registry "${this.#reference.registry}"`, undefined, { cause: error });
    }
  }

  async #accept(response: Response, url: string): Promise<Response> {
    if (response.ok) return response;
    const said = (await response.text().catch(() => "")).slice(0, 300);
    const name = `${this.#reference.registry}/${this.#reference.repository}`;
    const because = response.status === 404
      ? "the registry must have it: not found"
      : response.status === 401 || response.status === 403
      ? "the registry must allow it: pull access denied"
      : `the registry must answer with success: ${response.status} ${said}`;
    throw new RegistryError(`Cannot fetch ${new URL(url).pathname} of "${name}" as ${because}`, response.status);
  }

  /** Answers a challenge (RFC 7235): a bearer token from its realm, or the name and password. */
  async #authorize(challenge: string, signal: AbortSignal): Promise<string> {
    const basic = this.#credentials && `Basic ${btoa(`${this.#credentials.username}:${this.#credentials.password}`)}`;
    if (/^basic/i.test(challenge) && basic !== undefined) return basic;
    const parts = Object.fromEntries(
      [...challenge.matchAll(/([a-z_]+)="([^"]*)"/gi)].map((match) => [match[1]!.toLowerCase(), match[2]!]),
    );
    if (!/^bearer/i.test(challenge) || parts.realm === undefined) {
      throw new RegistryError(
        `Cannot log in to "${this.#reference.registry}" as it must ask for Bearer or Basic: it asks "${challenge}"`,
        401,
      );
    }
    const url = new URL(parts.realm);
    if (parts.service !== undefined) url.searchParams.set("service", parts.service);
    url.searchParams.set("scope", parts.scope ?? `repository:${this.#reference.repository}:pull`);
    const response = await fetch(url, { signal, headers: basic === undefined ? {} : { authorization: basic } });
    const answer = await response.json().catch(() => ({})) as { token?: string; access_token?: string };
    const token = answer.token ?? answer.access_token;
    if (!response.ok || token === undefined) {
      throw new RegistryError(
        `Cannot get a token of "${url.host}" as it must give one: ${response.status}`,
        response.status,
      );
    }
    return `Bearer ${token}`;
  }
}

/** Registries on this machine are spoken to without TLS. */
function isLoopback(host: string): boolean {
  const name = host.replace(/:\d+$/, "");
  return name === "localhost" || name === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(name);
}

async function readAtMost(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > bytesMax) {
      throw new RegistryError(`Cannot read a document as it must have at most ${bytesMax} bytes: more came`);
    }
    chunks.push(chunk);
  }
  return concatBytes(chunks);
}
