/** Everything the API serves that is no resource: discovery, OpenAPI, version, health, token keys. */
import { type ApiServer, noSuchResource, type User, versionInfo } from "@k3ts/api";
import { answerHealth, type HealthChecks, METRICS_TYPE } from "@k3ts/client/telemetry";
import { wantsAggregatedDiscovery } from "./negotiation.ts";
import { headersOf } from "./rest_reply.ts";

/** As clients ask for it, and as it is answered: an `@` is not allowed there, and Go refuses it. */
const SWAGGER_PROTOBUF = {
  asked: "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
  answered: "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
};
const AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** What this process tells of itself. */
export interface OwnDocuments {
  health?: HealthChecks;
  /** In Prometheus's text format. */
  metrics?: () => Promise<string>;
}

const HEALTH_HEADERS = {
  "content-type": "text/plain; charset=utf-8",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
};

const WELL: HealthChecks = { live: {}, ready: {} };

/** @throws {StatusError} 403 or 404 */
export async function respondDocument(
  request: Request,
  path: string,
  user: User,
  server: ApiServer,
  own: OwnDocuments = {},
): Promise<Response> {
  const verb = request.method === "GET" || request.method === "HEAD" ? "get" : request.method.toLowerCase();
  server.verbs.access.require(user, { verb, path });
  const found = verb === "get" ? await documentAt(request, trimmed(path), server, own) : undefined;
  if (found === undefined) throw noSuchResource();
  return found;
}

async function documentAt(
  request: Request,
  path: string,
  server: ApiServer,
  own: OwnDocuments,
): Promise<Response | undefined> {
  const { discovery, openapi, verbs } = server;
  const accept = request.headers.get("accept") ?? "";
  const aggregated = wantsAggregatedDiscovery(accept);
  switch (path) {
    case "/":
      return json({
        paths: ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"],
      });
    case "/api":
      return aggregated ? json(discovery.aggregated(true), AGGREGATED) : json(discovery.apiVersions());
    case "/apis":
      return aggregated ? json(discovery.aggregated(false), AGGREGATED) : json(discovery.groupList());
    case "/version":
      return json(versionInfo());
    case "/metrics":
      return own.metrics && new Response(await own.metrics(), { headers: headersOf(METRICS_TYPE) });
    case "/openapi/v2":
      return accept.includes(SWAGGER_PROTOBUF.asked) || accept.includes(SWAGGER_PROTOBUF.answered)
        ? openApi(request, openapi.swaggerProtobuf(), SWAGGER_PROTOBUF.answered)
        : openApi(request, openapi.swagger(), "application/json");
    case "/openapi/v3":
      return openApi(request, openapi.index(), "application/json");
    case "/.well-known/openid-configuration":
      return json({
        issuer: verbs.tokens.issuer,
        jwks_uri: `${verbs.tokens.issuer}/openid/v1/jwks`,
        response_types_supported: ["id_token"],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: ["ES256", "RS256"],
      });
    case "/openid/v1/jwks":
      return json(await verbs.tokens.keySet(), "application/jwk-set+json");
  }
  if (path.startsWith("/openapi/v3/")) {
    const document = openapi.groupVersion(path.slice("/openapi/v3/".length));
    return document && openApi(request, document, "application/json");
  }
  const { searchParams } = new URL(request.url.replace(/^http\+unix:/, "http:"));
  const health = await answerHealth(path, searchParams, own.health ?? WELL);
  return health === undefined
    ? discoveryAt(path, server)
    : new Response(health.text, { status: health.status, headers: HEALTH_HEADERS });
}

function discoveryAt(path: string, { discovery }: ApiServer): Response | undefined {
  const [, root, group, version, ...rest] = path.split("/");
  if (rest.length > 0) return undefined;
  if (root === "api" && group !== undefined && version === undefined) return maybe(discovery.resourceList(group));
  if (root !== "apis" || group === undefined) return undefined;
  return maybe(version === undefined ? discovery.group(group) : discovery.resourceList(`${group}/${version}`));
}

function openApi(
  request: Request,
  { bytes, hash }: { bytes: Uint8Array<ArrayBuffer>; hash: string },
  contentType: string,
): Response {
  const etag = `"${hash}"`;
  const headers = { ...headersOf(contentType), etag, vary: "accept" };
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  return new Response(bytes, { headers });
}

function maybe(document: object | undefined): Response | undefined {
  return document && json(document);
}

function json(document: object, contentType = "application/json"): Response {
  return new Response(JSON.stringify(document), { headers: headersOf(contentType) });
}

function trimmed(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}
