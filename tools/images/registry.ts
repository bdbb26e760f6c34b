/**
 * A registry that images can be pulled from (OCI distribution-spec 1.1, "Pull"), for tests that pull always: it reads
 * what `ensureImages` made, takes nothing, and speaks no TLS.
 */
import { timingSafeEqual } from "node:crypto";
import { blobPath, type Descriptor } from "../oci_archive.ts";

export interface ServeOptions {
  /** An address of this machine, or of the network namespace that this process is in. */
  hostname: string;
  /** 0 takes any that is free. */
  port: number;
  /** By full name, the folder that it lies in. What stands before the first slash is not asked for. */
  images: ReadonlyMap<string, string>;
  /** Where only those get images who say these (RFC 7617). @default everybody */
  login?: { username: string; password: string };
  signal: AbortSignal;
}

/** By what is asked for below `/v2/`, without the digest. */
interface Repository {
  tags: Map<string, Descriptor>;
  /** By digest: those of manifests too. */
  files: Map<string, { path: string; size: number; mediaType: string }>;
}

interface ManifestDocument {
  config: Descriptor;
  layers: Descriptor[];
}

/** @returns once it listens */
export async function serveImages({ hostname, port, images, login, signal }: ServeOptions): Promise<Deno.HttpServer> {
  const repositories = await readRepositories(images);
  const expected = login && `Basic ${btoa(`${login.username}:${login.password}`)}`;
  return Deno.serve({ hostname, port, signal, onListen: () => {} }, (request) => {
    if (expected !== undefined && !isSame(request.headers.get("authorization") ?? "", expected)) {
      const headers = { "www-authenticate": 'Basic realm="images"' };
      return refuse(401, "UNAUTHORIZED", "a user and password are needed", headers);
    }
    return answer(request, repositories);
  });
}

async function readRepositories(images: ReadonlyMap<string, string>): Promise<Map<string, Repository>> {
  const repositories = new Map<string, Repository>();
  for (const [name, folder] of images) {
    const [, path, tag] = /^[^/]+\/(.+):([^:/]+)$/.exec(name) ?? [];
    if (path === undefined || tag === undefined) {
      throw new Error(`Cannot serve "${name}" as it must be of the form REGISTRY/REPOSITORY:TAG`);
    }
    const repository = repositories.get(path) ?? { tags: new Map(), files: new Map() };
    repositories.set(path, repository);
    const [manifest] = JSON.parse(await Deno.readTextFile(`${folder}/index.json`)).manifests as Descriptor[];
    const file = `${folder}/${blobPath(manifest!.digest)}`;
    const { config, layers } = JSON.parse(await Deno.readTextFile(file)) as ManifestDocument;
    repository.tags.set(tag, manifest!);
    for (const { digest, size, mediaType } of [manifest!, config, ...layers]) {
      repository.files.set(digest, { path: `${folder}/${blobPath(digest)}`, size, mediaType });
    }
  }
  return repositories;
}

async function answer(request: Request, repositories: ReadonlyMap<string, Repository>): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return refuse(405, "UNSUPPORTED", `images are only read here, not ${request.method}`, { allow: "GET, HEAD" });
  }
  const { pathname } = new URL(request.url);
  if (pathname === "/v2/" || pathname === "/v2") return Response.json({});
  const [, name, kind, reference] = /^\/v2\/(.+)\/(manifests|blobs|tags)\/([^/]+)$/.exec(pathname) ?? [];
  const repository = repositories.get(name ?? "");
  if (repository === undefined) return refuse(404, "NAME_UNKNOWN", `there is no repository "${name ?? pathname}"`);
  if (kind === "tags") return Response.json({ name, tags: [...repository.tags.keys()] });
  const digest = kind === "manifests" ? repository.tags.get(reference!)?.digest ?? reference! : reference!;
  const found = repository.files.get(digest);
  if (found === undefined) {
    return refuse(404, kind === "blobs" ? "BLOB_UNKNOWN" : "MANIFEST_UNKNOWN", `there is no "${reference}"`);
  }
  return await content(request, digest, found);
}

async function content(
  request: Request,
  digest: string,
  { path, size, mediaType }: { path: string; size: number; mediaType: string },
): Promise<Response> {
  const headers = new Headers({
    "accept-ranges": "bytes",
    "content-type": mediaType,
    "docker-content-digest": digest,
    "content-length": `${size}`,
  });
  if (request.method === "HEAD") return new Response(null, { headers });
  // Those who were cut off ask for the rest; any other range is answered with everything, as RFC 9110 lets one do.
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.get("range") ?? "")?.[1] ?? 0);
  if (from >= size) {
    const range = { "content-range": `bytes */${size}` };
    return refuse(416, "RANGE_INVALID", `it has ${size} bytes`, range);
  }
  const file = await Deno.open(path);
  if (from === 0) return new Response(file.readable, { headers });
  await file.seek(from, Deno.SeekMode.Start);
  headers.set("content-length", `${size - from}`);
  headers.set("content-range", `bytes ${from}-${size - 1}/${size}`);
  return new Response(file.readable, { status: 206, headers });
}

function refuse(status: number, code: string, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ errors: [{ code, message }] }, { status, headers });
}

function isSame(found: string, expected: string): boolean {
  const [one, other] = [found, expected].map((text) => new TextEncoder().encode(text)) as [Uint8Array, Uint8Array];
  return one.length === other.length && timingSafeEqual(one, other);
}
