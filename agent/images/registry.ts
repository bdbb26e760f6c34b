/**
 * Reads from an OCI registry (distribution-spec 1.1; token authentication as in the distribution project's
 * "Token Authentication Specification"). Anonymous or with a name and password.
 */
import { concatBytes } from "@k3ts/model/objects";
import { type Blobs, digestOf } from "./blobs.ts";
import { type Descriptor, DOCUMENT_BYTES_MAX, MANIFEST_TYPES } from "./oci.ts";
import type { ImageReference } from "./reference.ts";
import type { Endpoint } from "./registries.ts";
import { steady } from "./steady.ts";

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

/** One repository in one place. Keeps its token for as long as it lives. */
export class Registry implements Disposable {
  readonly #reference: ImageReference;
  readonly #endpoint: Endpoint;
  readonly #base: string;
  /** Those that may fit, in the order in which they are tried. */
  readonly #credentials: readonly Credentials[];
  readonly #client: Deno.HttpClient | undefined;
  readonly #answerMsMax: number;
  #authorization?: string;
  #used?: Credentials;

  private constructor(
    reference: ImageReference,
    endpoint: Endpoint,
    credentials: readonly Credentials[],
    client: Deno.HttpClient | undefined,
    answerMsMax: number,
  ) {
    this.#reference = reference;
    this.#endpoint = endpoint;
    this.#base = `${endpoint.base}/${endpoint.repository}`;
    this.#credentials = credentials;
    this.#client = client;
    this.#answerMsMax = answerMsMax;
  }

  /** Reads the certificates that the place wants, if it wants any. @param answerMsMax for the head of an answer */
  static async open(
    reference: ImageReference,
    endpoint: Endpoint,
    credentials: readonly Credentials[],
    answerMsMax = ANSWER_MS_MAX,
  ): Promise<Registry> {
    const read = async (path: string | undefined) => path === undefined ? undefined : await Deno.readTextFile(path);
    const { caFile, certFile, keyFile } = endpoint.tls ?? {};
    const [ca, cert, key] = await Promise.all([read(caFile), read(certFile), read(keyFile)]);
    const client = ca === undefined && cert === undefined ? undefined : Deno.createHttpClient({
      ...(ca !== undefined && { caCerts: [ca] }),
      ...(cert !== undefined && key !== undefined && { cert, key }),
    });
    return new Registry(reference, endpoint, credentials, client, answerMsMax);
  }

  [Symbol.dispose](): void {
    this.#client?.close();
  }

  /** What opened it; undefined where nothing was asked for. */
  get used(): Credentials | undefined {
    return this.#used;
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
    // A mirror of several registries is told whose image it is asked for.
    const query = this.#endpoint.isMirror ? `?ns=${encodeURIComponent(this.#reference.registry)}` : "";
    const url = `${this.#base}${path}${query}`;
    let response = await this.#send(url, headers, signal);
    let refused: unknown;
    for (let tries = 0; response.status === 401 && tries <= this.#credentials.length; tries++) {
      await response.body?.cancel();
      const credentials = this.#credentials[tries];
      // Without a name and password once, as the image may be public; at the end it is known that none would do.
      if (credentials === undefined && tries > 0) break;
      try {
        this.#authorization = await this.#authorize(
          response.headers.get("www-authenticate") ?? "",
          credentials,
          signal,
        );
      } catch (error) {
        refused = error;
        continue;
      }
      response = await this.#send(url, headers, signal);
      if (response.status !== 401 && credentials !== undefined) this.#used = credentials;
    }
    if (response.status === 401 && refused !== undefined) throw refused;
    return this.#accept(response, url);
  }

  async #send(url: string, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
    const all = { ...headers, ...(this.#authorization !== undefined && { authorization: this.#authorization }) };
    try {
      return await this.#fetch(url, { headers: all, signal });
    } catch (error) {
      signal.throwIfAborted();
      throw new RegistryError(`Cannot reach registry "${this.#endpoint.host}"`, undefined, { cause: error });
    }
  }

  async #fetch(url: string | URL, init: RequestInit & { signal: AbortSignal }): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(
      () => late.abort(new Error(`Cannot wait for ${url} as it must answer within ${this.#answerMsMax} ms`)),
      this.#answerMsMax,
    );
    const signal = AbortSignal.any([late.signal, init.signal]);
    try {
      return await fetch(url, { ...init, signal, ...(this.#client !== undefined && { client: this.#client }) });
    } finally {
      clearTimeout(timer);
    }
  }

  async #accept(response: Response, url: string): Promise<Response> {
    if (response.ok) return response;
    const said = new TextDecoder().decode(await readHead(response, SAID_BYTES_MAX).catch(() => new Uint8Array()));
    const name = `${this.#endpoint.host}/${this.#endpoint.repository}`;
    const because = response.status === 404
      ? "the registry must have it: not found"
      : response.status === 401 || response.status === 403
      ? "the registry must allow it: pull access denied"
      : `the registry must answer with success: ${response.status} ${said}`;
    throw new RegistryError(`Cannot fetch ${new URL(url).pathname} of "${name}" as ${because}`, response.status);
  }

  /** Answers a challenge (RFC 7235): a bearer token from its realm, or the name and password. */
  async #authorize(challenge: string, credentials: Credentials | undefined, signal: AbortSignal): Promise<string> {
    const basic = credentials && `Basic ${encodeBasic(credentials)}`;
    if (/^basic/i.test(challenge) && basic !== undefined) return basic;
    const parts = Object.fromEntries(
      [...challenge.matchAll(/([a-z_]+)="([^"]*)"/gi)].map((match) => [match[1]!.toLowerCase(), match[2]!]),
    );
    if (!/^bearer/i.test(challenge) || parts.realm === undefined) {
      const said = /^basic/i.test(challenge) ? "it asks for a name and password" : `it asks "${challenge}"`;
      throw new RegistryError(
        `Cannot log in to "${this.#endpoint.host}" as it must be a way that is known: ${said}`,
        401,
      );
    }
    const url = new URL(parts.realm);
    if (basic !== undefined && url.protocol !== "https:" && new URL(this.#base).protocol === "https:") {
      throw new RegistryError(
        `Cannot send a password to "${url.host}" as what a registry asks over TLS must be answered over TLS`,
      );
    }
    if (parts.service !== undefined) url.searchParams.set("service", parts.service);
    url.searchParams.set("scope", parts.scope ?? `repository:${this.#endpoint.repository}:pull`);
    const response = await this.#fetch(url, { signal, headers: basic === undefined ? {} : { authorization: basic } });
    const said = new TextDecoder().decode(await readAtMost(response, DOCUMENT_BYTES_MAX));
    const answer = parse(said) as { token?: string; access_token?: string };
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

/** RFC 7617: what is not Latin is UTF-8. */
function encodeBasic({ username, password }: Credentials): string {
  return new TextEncoder().encode(`${username}:${password}`).toBase64();
}

function parse(json: string): object {
  try {
    return JSON.parse(json) ?? {};
  } catch {
    // What is no JSON has no token: the caller says so.
    return {};
  }
}

/** How long a registry may take to begin its answer. */
const ANSWER_MS_MAX = 60_000;
/** Of an error, what people are shown. */
const SAID_BYTES_MAX = 300;

function chunksOf({ body }: Response): AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return body === null ? [] : steady(body);
}

/** The first bytes, and no more of what may have no end. */
async function readHead(response: Response, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response)) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= bytesMax) break;
  }
  return concatBytes(chunks).subarray(0, bytesMax);
}

async function readAtMost(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunksOf(response)) {
    size += chunk.length;
    if (size > bytesMax) {
      throw new RegistryError(`Cannot read a document as it must have at most ${bytesMax} bytes: more came`);
    }
    chunks.push(chunk);
  }
  return concatBytes(chunks);
}
