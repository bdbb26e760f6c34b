/**
 * HTTP to a pod's port, through `pods/NAME/proxy` and `services/NAME/proxy`:
 * `/podProxy/NAMESPACE/POD/SCHEME/PORT/PREFIX/…`, where the prefix is the path at which the reader sees the pod's root.
 */
import { Buffer } from "node:buffer";
import { type ClientRequest, type IncomingMessage, request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { pipeline, type Transform } from "node:stream";
import { createGunzip, createInflate } from "node:zlib";
import type { Answer } from "./answer.ts";
import { leadLink, LinkRewriter, type Place } from "./html_links.ts";
import { StreamError, type Targets } from "./targets.ts";

const PATH = /^\/podProxy\/([^/]+)\/([^/]+)\/(https?)\/(\d+)\/([^/]+)(\/.*)$/;
/** They speak of one connection, or are between us and our gateway. */
const DROPPED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|authorization|k3ts-.*|host|expect)$/;

/** @throws {StreamError} when there is no such pod, or it does not answer */
export async function podAnswer(
  targets: Targets,
  request: IncomingMessage,
  url: URL,
  signal: AbortSignal,
): Promise<Answer> {
  const [, namespace, pod, scheme, port, prefix, path] = PATH.exec(url.pathname) ?? [];
  if (path === undefined) throw new StreamError(404, `the agent has nothing at ${url.pathname}`);
  const host = targets.address({
    namespace: decodeURIComponent(namespace!),
    pod: decodeURIComponent(pod!),
    container: "",
  });
  const options: RequestOptions = {
    host,
    port: Number(port),
    method: request.method ?? "GET",
    path: `${path}${url.search}`,
    headers: { ...kept(request.rawHeaders), host: `${host}:${port}` },
    agent: false,
    signal,
  };
  // A pod's certificate is its own affair: nobody could say for which name it would have to be.
  const asked = scheme === "https" ? httpsRequest({ ...options, rejectUnauthorized: false }) : httpRequest(options);
  request.pipe(asked);
  const answer = await answerTo(asked).catch((cause) => {
    throw new StreamError(
      503,
      `error trying to reach ${host}:${port}: ${cause instanceof Error ? cause.message : cause}`,
    );
  });
  const place = { prefix: decodeURIComponent(prefix!), hosts: [`${host}:${port}`, request.headers.host ?? ""] };
  return led(request.method ?? "GET", answer, place);
}

/** With the links of pages and redirects leading to where the reader is. */
function led(method: string, answer: IncomingMessage, place: Place): Answer {
  const [status, headers] = [answer.statusCode ?? 502, kept(answer.rawHeaders)];
  if (typeof headers.location === "string") headers.location = leadLink(headers.location, place);
  const { "content-type": type = "", "content-encoding": encoding = "" } = answer.headers;
  const isPage = /^text\/html\s*(;|$)/i.test(type) && method !== "HEAD" && status !== 204 && status !== 304;
  const unpacked = isPage ? unpack(answer, encoding) : undefined;
  if (unpacked === undefined) return { status, headers, body: answer };
  delete headers["content-encoding"];
  delete headers["content-length"];
  return { status, headers, body: rewrite(unpacked, new LinkRewriter(place)) };
}

/** @returns undefined for what cannot be read here, and so is left as it is */
function unpack(body: IncomingMessage, encoding: string): AsyncIterable<Uint8Array> | undefined {
  switch (encoding.toLowerCase()) {
    case "":
    case "identity":
      return body;
    case "gzip":
      return through(body, createGunzip());
    case "deflate":
      return through(body, createInflate());
  }
  return undefined;
}

/** Breaks off when what comes does. */
function through(body: IncomingMessage, unpacker: Transform): Transform {
  return pipeline(body, unpacker, () => {}); // whoever reads it is told
}

async function* rewrite(body: AsyncIterable<Uint8Array>, rewriter: LinkRewriter): AsyncGenerator<Uint8Array> {
  for await (const data of body) {
    const text = rewriter.push(Buffer.from(data).toString("latin1"));
    if (text !== "") yield Buffer.from(text, "latin1");
  }
  const end = rewriter.end();
  if (end !== "") yield Buffer.from(end, "latin1");
}

function answerTo(asked: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    asked.on("response", resolve);
    // Also after the answer has begun, when its body is what breaks off.
    asked.on("error", reject);
  });
}

/** Headers as they were, but for those that end here. */
function kept(raw: readonly string[]): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name, value] = [raw[at]!.toLowerCase(), raw[at + 1]!];
    if (DROPPED.test(name)) continue;
    const before = headers[name];
    headers[name] = before === undefined ? value : [before, value].flat();
  }
  return headers;
}
