/** Counts what is asked of the server, by the names that kube-apiserver's figures have. */
import type { Log, Metrics } from "@k3ts/client/telemetry";
import type { Handler } from "../dispatch.ts";
import { type ApiPath, parseApiPath } from "../faces/path.ts";

/** Of requests that last as long as their client likes, only how many there are is told. */
const LONG_RUNNING = /^(WATCH|CONNECT)$/;

const RPC = /^\/(k3ts\.v1\.\w+)\/(\w+)$/;

/** @returns the handler, counted; each request is said in the log of who wants to know everything */
export function countRequests(handler: Handler, metrics: Metrics, log: Log): Handler {
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
      const [, service, method] = RPC.exec(url.pathname) ?? [];
      if (service !== undefined && response.status !== 404) {
        calls.add({ service, method: method!, code });
        callSeconds.observe(elapsed, { service, method: method! });
        return response;
      }
      const about = labelsOf(request.method, url, response.status);
      requests.add({ ...about, code });
      if (!LONG_RUNNING.test(about.verb)) seconds.observe(elapsed, about);
      return response;
    } finally {
      inFlight.add(-1, kind);
    }
  };
}

/** Names of what does not exist are no labels: strangers choose them. */
function labelsOf(method: string, url: URL, status: number) {
  const nothing = { group: "", version: "", resource: "", subresource: "", scope: "" };
  let path: ApiPath;
  try {
    path = parseApiPath(url.pathname);
  } catch {
    return { verb: method, ...nothing };
  }
  if (path.type === "other" || status === 404 && path.name === "" || status === 401) {
    return { verb: method, ...nothing };
  }
  const slash = path.apiVersion.indexOf("/");
  const scope = path.name !== "" ? "resource" : path.namespace !== "" ? "namespace" : "cluster";
  return {
    verb: verbOf(method, url.searchParams, path),
    group: slash < 0 ? "" : path.apiVersion.slice(0, slash),
    version: path.apiVersion.slice(slash + 1),
    resource: path.resource,
    subresource: path.subresource.replace(/\/.*/, ""),
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
