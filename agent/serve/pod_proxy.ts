/** HTTP to a pod's port, through `pods/NAME/proxy` and `services/NAME/proxy`: `/podProxy/NAMESPACE/POD/SCHEME/PORT/…`. */
import { type ClientRequest, type IncomingMessage, request as httpRequest, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Answer } from "./answer.ts";
import { StreamError, type Targets } from "./targets.ts";

const PATH = /^\/podProxy\/([^/]+)\/([^/]+)\/(https?)\/(\d+)(\/.*)$/;
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
  const [, namespace, pod, scheme, port, path] = PATH.exec(url.pathname) ?? [];
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
  return { status: answer.statusCode ?? 502, headers: kept(answer.rawHeaders), body: answer };
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
