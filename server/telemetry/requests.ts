/** Counts what is asked of the server, by the names that kube-apiserver's figures have. */
import type { Log, Metrics } from "@k3ts/client/telemetry";
import { ClusterService, NodeService, ResourceService, StreamService } from "@k3ts/proto";
import type { Handler } from "../dispatch.ts";
import { type ApiPath, parseApiPath } from "../faces/path.ts";

/** Of requests that last as long as their client likes, only how many there are is told. */
const LONG_RUNNING = /^(WATCH|CONNECT)$/;

/** The verbs that are answered; others are a stranger's words. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** Our own services, by the paths of their methods. */
const CALLS: ReadonlyMap<string, { service: string; method: string }> = new Map(
  [ClusterService, NodeService, ResourceService, StreamService].flatMap(({ typeName, methods }) =>
    methods.map(({ name }) => [`/${typeName}/${name}`, { service: typeName, method: name }])
  ),
);

/** What is served: only that becomes a label, as strangers choose all other names. */
export type IsServed = (apiVersion: string, resource: string, subresource: string) => boolean;

/** @returns the handler, counted; each request is said in the log of who wants to know everything */
export function countRequests(handler: Handler, isServed: IsServed, metrics: Metrics, log: Log): Handler {
  const requests = metrics.counter(
    "apiserver_request_total",
    "Requests answered, by what they were about and how they were answered.",
    ...["verb", "group", "version", "resource", "subresource", "scope", "code"],
  );
  const seconds = metrics.histogram(
    "apiserver_request_duration_seconds",
    "Time until the head of an answer. Watches and streams are left out.",
    ["verb", "group", "version", "resource", "subresource", "scope"],
  );
  const inFlight = metrics.gauge(
    "apiserver_current_inflight_requests",
    "Requests whose answers have not begun.",
    "request_kind",
  );
  const calls = metrics.counter(
    "k3ts_rpc_requests_total",
    "Calls of k3ts's own services.",
    "service",
    "method",
    "code",
  );
  const callSeconds = metrics.histogram("k3ts_rpc_request_duration_seconds", "Time until the head of an answer.", [
    "service",
    "method",
  ]);
  return async (request) => {
    const started = performance.now();
    const kind = { request_kind: /^(GET|HEAD)$/.test(request.method) ? "readOnly" : "mutating" };
    inFlight.add(1, kind);
    try {
      const response = await handler(request);
      const elapsed = (performance.now() - started) / 1000;
      const code = String(response.status);
      const url = new URL(request.url.replace(/^http\+unix:/, "http:"));
      // Without its query: a command that is to be executed stands there.
      log.debug("Answered", { method: request.method, path: url.pathname, code, ms: Math.round(elapsed * 1000) });
      const call = CALLS.get(url.pathname);
      if (call !== undefined) {
        calls.add({ ...call, code });
        callSeconds.observe(elapsed, call);
        return response;
      }
      const about = labelsOf(request.method, url, isServed);
      requests.add({ ...about, code });
      if (!LONG_RUNNING.test(about.verb)) seconds.observe(elapsed, about);
      return response;
    } finally {
      inFlight.add(-1, kind);
    }
  };
}

function labelsOf(asked: string, url: URL, isServed: IsServed) {
  const nothing = { group: "", version: "", resource: "", subresource: "", scope: "" };
  const method = METHODS.includes(asked) ? asked : "other";
  let path: ApiPath;
  try {
    path = parseApiPath(url.pathname);
  } catch {
    return { verb: method, ...nothing };
  }
  if (path.type === "other") return { verb: method, ...nothing };
  const subresource = path.subresource.replace(/\/.*/, "");
  if (!isServed(path.apiVersion, path.resource, subresource)) return { verb: method, ...nothing };
  const slash = path.apiVersion.indexOf("/");
  const scope = path.name !== "" ? "resource" : path.namespace !== "" ? "namespace" : "cluster";
  return {
    verb: verbOf(method, url.searchParams, path),
    group: slash < 0 ? "" : path.apiVersion.slice(0, slash),
    version: path.apiVersion.slice(slash + 1),
    resource: path.resource,
    subresource,
    scope,
  };
}

const STREAMS = ["attach", "exec", "log", "portforward", "proxy"];

function verbOf(method: string, query: URLSearchParams, path: ApiPath & { type: "resource" }): string {
  if (STREAMS.includes(path.subresource.replace(/\/.*/, ""))) return "CONNECT";
  if (method === "GET" && /^(1|true)$/.test(query.get("watch") ?? "")) return "WATCH";
  if (method === "GET" && path.name === "") return "LIST";
  if (method === "DELETE" && path.name === "") return "DELETECOLLECTION";
  return method;
}
