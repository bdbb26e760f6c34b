/** A GET as probes and hooks send it: a connection of its own, certificates not verified, redirects within the host. */
import { type IncomingMessage, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { Buffer } from "node:buffer";
import type { HTTPGetAction } from "@k3ts/model/objects";
import { type Answer, plainWords, portOf, type ProbeTarget } from "./probe.ts";

export interface HttpQuestion {
  url: URL;
  headers: Record<string, string>;
}

const REDIRECTS_MAX = 10;
/** Of an answer, what is kept for a message. */
const BODY_BYTES_MAX = 10 * 1024;

export function requestOf(action: HTTPGetAction, target: ProbeTarget, agent: string): HttpQuestion {
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  const host = action.host || target.address;
  const port = portOf(target.container, action.port);
  const path = action.path || "/";
  const url = new URL(`${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`);
  const [pathname = "/", query] = path.split(/\?(.*)/s);
  url.pathname = pathname;
  if (query !== undefined) url.search = query;
  const headers: Record<string, string> = { "user-agent": agent, accept: "*/*" };
  const given = new Map<string, string[]>();
  for (const { name, value } of action.httpHeaders ?? []) {
    given.set(name.toLowerCase(), [...given.get(name.toLowerCase()) ?? [], value ?? ""]);
  }
  for (const [name, values] of given) headers[name] = values.join(", ");
  // An empty Accept means none at all, as in Kubernetes.
  if (headers.accept === "") delete headers.accept;
  return { url, headers };
}

/** 200 to 399 is well; what goes wrong on the way is not. */
export async function askHttp(question: HttpQuestion, signal: AbortSignal): Promise<Answer> {
  let { url } = question;
  try {
    for (let redirects = 0;; redirects++) {
      const { status, location, body } = await get(url, question.headers, signal);
      if (status < 200 || status >= 400) {
        return { result: "failure", message: `HTTP probe failed with statuscode: ${status}` };
      }
      if (status < 300) return { result: "success", message: body };
      const next = location === undefined || status === 304 ? undefined : new URL(location, url);
      if (next === undefined || next.hostname !== question.url.hostname || !/^https?:$/.test(next.protocol)) {
        return { result: "warning", message: `Probe terminated redirects, Response body: ${body}` };
      }
      if (redirects === REDIRECTS_MAX) {
        return { result: "failure", message: `Get "${spelled(url)}": stopped after ${REDIRECTS_MAX} redirects` };
      }
      url = next;
    }
  } catch (error) {
    const because = signal.aborted
      ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
      : `dial tcp ${addressOf(url)}: ${plainWords(error)}`;
    return { result: "failure", message: `Get "${spelled(url)}": ${because}` };
  }
}

/** With its port, which a URL leaves out where it is the usual one. */
function addressOf(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === "https:" ? 443 : 80)}`;
}

function spelled(url: URL): string {
  return `${url.protocol}//${addressOf(url)}${url.pathname}${url.search}`;
}

interface Response {
  status: number;
  location?: string;
  body: string;
}

/** @throws what the connection failed with */
export function get(url: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const options = {
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: url.port || (url.protocol === "https:" ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      headers: { connection: "close", ...headers },
      agent: false as const,
      signal,
    };
    const onResponse = (response: IncomingMessage) => {
      const chunks: Uint8Array[] = [];
      let size = 0;
      const done = () => {
        const { location } = response.headers;
        const body = new TextDecoder().decode(Buffer.concat(chunks).subarray(0, BODY_BYTES_MAX));
        resolve({ status: response.statusCode ?? 0, body, ...(location !== undefined && { location }) });
        response.destroy();
      };
      response.on("data", (chunk: Uint8Array) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= BODY_BYTES_MAX) done();
      });
      response.on("end", done);
      response.on("error", reject);
    };
    const request = url.protocol === "https:"
      ? httpsRequest({ ...options, rejectUnauthorized: false }, onResponse)
      : httpRequest(options, onResponse);
    request.on("error", reject);
    request.end();
  });
}
