/**
 * The REST face: Kubernetes's HTTP API over the verbs. Thin: it reads a request, calls a verb, renders the reply.
 */
import {
  type ApiServer,
  badRequest,
  connect,
  create,
  type Credentials,
  decodeDeleteOptions,
  deleteCollection,
  type FoundResource,
  get,
  list,
  managerOfUserAgent,
  methodNotSupported,
  noSuchResource,
  notAcceptable,
  patch,
  remove,
  type Reply,
  type Request as ApiRequest,
  StatusError,
  statusOf,
  update,
  valueReply,
  type WriteRequest,
} from "@k3ts/api";
import { nameSpan } from "@k3ts/client/telemetry";
import type { Fanout } from "../fanout/mod.ts";
import type { OnFault } from "../faults.ts";
import { credentialsOf } from "../identity.ts";
import { chooseForm, PRODUCED, type Wanted } from "./negotiation.ts";
import { type ApiPath, parseApiPath } from "./path.ts";
import { readObjectBody, readPatchBody } from "./rest_body.ts";
import { type OwnDocuments, respondDocument } from "./rest_documents.ts";
import { deleteOptionsOf, dryRunOf, fieldValidationOf, flag, selectionOf, wholeNumber } from "./rest_query.ts";
import { type ReplyStyle, respond, respondStatus } from "./rest_reply.ts";
import { respondWatch } from "./rest_watch.ts";
import { spliceResponse } from "./streams.ts";

export interface RestOptions {
  /** @default what the gateway says in its header, and the request in its own */
  credentials?: (headers: Headers) => Credentials;
  onFault?: OnFault;
  own?: OwnDocuments;
  /** Gateways that go on with watches. @default each is told by itself */
  fanout?: Fanout;
}

/** Answers every request: refusals and faults are answers too. */
export function restFace(
  server: ApiServer,
  options: RestOptions = {},
): (request: Request) => Promise<Response> {
  const readCredentials = options.credentials ?? credentialsOf;
  return async (request) => {
    const url = new URL(request.url.replace(/^http\+unix:/, "http:"));
    try {
      const user = await server.authenticate(readCredentials(request.headers));
      const target = parseApiPath(url.pathname);
      if (target.type === "other") return await respondDocument(request, url.pathname, user, server, options.own);
      const { fanout } = options;
      return await answer({ http: request, query: url.searchParams, target, user, server, fanout });
    } catch (error) {
      if (!(error instanceof StatusError) && !request.signal.aborted) {
        options.onFault?.(error, `${request.method} ${url.pathname}`);
      }
      return respondStatus(statusOf(error), { pretty: isForPeople(request, url.searchParams) });
    }
  };
}

interface Call {
  http: Request;
  query: URLSearchParams;
  target: ApiPath & { type: "resource" };
  user: ApiRequest["user"];
  server: ApiServer;
  fanout: Fanout | undefined;
}

async function answer(call: Call): Promise<Response> {
  const { http, query, server, target } = call;
  const computed = server.computed.find(target.apiVersion, target.resource);
  if (computed !== undefined) return await answerComputed(computed, call);
  const request = resolve(call);
  nameSpan(`${http.method} ${[request.resource.resource, request.subresource].filter(Boolean).join("/")}`, {
    "k8s.namespace.name": request.namespace,
    "k3ts.object": request.name,
    "k3ts.user": request.user.name,
  });
  // Whatever form the client wants is the node's to choose.
  if (isStream(request)) return await answerStream(request, call);
  // What cannot be read again, such as a review, has no rows.
  const wanted = formOf(call, request.resource.verbs.includes("get"));
  if (http.method === "GET" && flag(query, "watch")) return await answerWatch(request, wanted, call);
  return respond(await callVerb(request, call), styleOf(call, wanted), server);
}

/** @throws {StatusError} 406 */
function formOf({ http, query }: Call, tables: boolean): Wanted {
  const asked = query.get("includeObject");
  const include = asked === "None" || asked === "Object" ? asked : "Metadata";
  const wanted = chooseForm(http.headers.get("accept") ?? "", tables ? include : undefined);
  if (wanted === undefined) throw notAcceptable(PRODUCED);
  return wanted;
}

/** Objects that are not stored can be read. Those who ask for tables are answered with the objects, which they take too. */
async function answerComputed(resource: FoundResource, call: Call): Promise<Response> {
  const { http, query, target, user, server } = call;
  const { name, subresource } = target;
  const namespace = resource.namespaced ? target.namespace : "";
  if (subresource !== "" || namespace !== target.namespace) throw noSuchResource();
  const verb = computedVerb(http.method, query, name);
  server.verbs.access.require(user, {
    verb,
    group: resource.group,
    resource: resource.resource,
    subresource,
    namespace,
    name,
  });
  if (!(resource.verbs as readonly string[]).includes(verb)) throw methodNotSupported(resource, verb);
  const wanted = formOf(call, true);
  const value = name !== "" ? await resource.get(name, namespace) : {
    kind: `${resource.kind}List`,
    apiVersion: resource.apiVersion,
    metadata: {},
    items: await resource.list({ namespace, ...selectionOf(query) }),
  };
  return respond(valueReply(value), styleOf(call, wanted), server);
}

function computedVerb(method: string, query: URLSearchParams, name: string): string {
  const verb = VERBS[method] ?? method.toLowerCase();
  if (verb === "delete" && name === "") return "deletecollection";
  if (verb !== "get" || name !== "") return verb;
  return flag(query, "watch") ? "watch" : "list";
}

/** A request is finished though its client has gone: nobody could tell how far it came. Watches end with their streams. */
const UNABORTED = new AbortController().signal;

/** What the path is about, if it is served. @throws {StatusError} 404 */
function resolve({ target, user, server }: Call): ApiRequest {
  const { apiVersion, namespace, name } = target;
  // What follows is the other side's.
  const subresource = target.subresource.replace(/^proxy\/.*/, "proxy");
  const resource = server.resources.find(apiVersion, target.resource);
  if (resource === undefined || (namespace !== "" && !resource.namespaced)) throw noSuchResource();
  if (subresource !== "" && !resource.subresources.some((one) => one.name === subresource)) throw noSuchResource();
  return { user, resource, namespace, name, subresource, signal: UNABORTED };
}

async function callVerb(request: ApiRequest, call: Call): Promise<Reply> {
  const { http, query, server: { verbs } } = call;
  const whole = request.name === "";
  switch (http.method) {
    case "HEAD":
    case "GET":
      if (!whole) return await get({ ...request, resourceVersion: query.get("resourceVersion") ?? "" }, verbs);
      return await list({
        ...request,
        ...selectionOf(query),
        limit: wholeNumber(query, "limit") ?? 0,
        continue: query.get("continue") ?? "",
        resourceVersion: query.get("resourceVersion") ?? "",
        resourceVersionMatch: query.get("resourceVersionMatch") ?? "",
      }, verbs);
    case "POST":
      if (whole === (request.subresource !== "") || request.resource.namespaced && request.namespace === "") {
        throw methodNotSupported(request.resource, "create");
      }
      return await create({ ...writeOf(request, call), body: await readObjectBody(http) }, verbs);
    case "PUT":
      if (whole) throw methodNotSupported(request.resource, "update");
      return await update({ ...writeOf(request, call), body: await readObjectBody(http) }, verbs);
    case "PATCH":
      if (whole) throw methodNotSupported(request.resource, "patch");
      return await answerPatch(request, call);
    case "DELETE":
      return await answerDelete(request, call);
  }
  throw methodNotSupported(request.resource, http.method);
}

async function answerPatch(request: ApiRequest, call: Call): Promise<Reply> {
  const { type, body } = await readPatchBody(call.http);
  const force = flag(call.query, "force");
  if (force && type !== "apply") throw badRequest("force may only be used with apply patches");
  const write = writeOf(request, call);
  // An apply must say who it is: a name made up from the user agent would own fields for ever.
  const fieldManager = type === "apply" ? call.query.get("fieldManager") ?? "" : write.fieldManager;
  return await patch({ ...write, fieldManager, type, body, force }, call.server.verbs);
}

async function answerDelete(request: ApiRequest, { http, query, server: { verbs } }: Call): Promise<Reply> {
  if (request.subresource !== "") throw methodNotSupported(request.resource, "delete");
  const options = deleteOptionsOf(query, decodeDeleteOptions(await readObjectBody(http)));
  if (request.name !== "") return await remove({ ...request, options }, verbs);
  return await deleteCollection({ ...request, ...selectionOf(query), options }, verbs);
}

async function answerWatch(request: ApiRequest, wanted: Wanted, call: Call): Promise<Response> {
  const { http, query, server, fanout } = call;
  return await respondWatch(
    {
      ...request,
      ...selectionOf(query),
      resourceVersion: query.get("resourceVersion") ?? "",
      resourceVersionMatch: query.get("resourceVersionMatch") ?? "",
      allowBookmarks: flag(query, "allowWatchBookmarks"),
      ...(query.has("sendInitialEvents") && { sendInitialEvents: flag(query, "sendInitialEvents") }),
    },
    wanted,
    wholeNumber(query, "timeoutSeconds"),
    server,
    fanout?.find(http.headers),
  );
}

function writeOf(request: ApiRequest, { http, query }: Call): WriteRequest {
  return {
    ...request,
    dryRun: dryRunOf(query),
    fieldManager: query.get("fieldManager") || managerOfUserAgent(http.headers.get("user-agent") ?? ""),
    fieldValidation: fieldValidationOf(query),
  };
}

/** What is answered by a node. */
const STREAMS: Readonly<Record<string, readonly string[]>> = {
  pods: ["attach", "exec", "log", "portforward", "proxy"],
  services: ["proxy"],
  nodes: ["proxy"],
};

function isStream({ resource, subresource }: ApiRequest): boolean {
  return resource.group === "" && STREAMS[resource.resource]?.includes(subresource) === true;
}

const VERBS: Readonly<Record<string, string>> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

async function answerStream(request: ApiRequest, { http, query, server }: Call): Promise<Response> {
  // A proxy leads every method on; that of OPTIONS has no verb of its own, so that only those who may all may it.
  const verb = VERBS[http.method] ?? (http.method === "OPTIONS" && request.subresource === "proxy" ? "" : undefined);
  if (verb === undefined) throw methodNotSupported(request.resource, http.method);
  const [, proxyPath] = /\/proxy(\/[^?]*)?(\?|$)/.exec(http.url) ?? [];
  const asked = { ...request, verb, query, ...(proxyPath !== undefined && { proxyPath }) };
  const splice = await connect(asked, server.verbs);
  return isBareProxy(request, proxyPath, http) ? toItsRoot(http.url) : spliceResponse(splice);
}

/** Links of a page are relative to where it lies, so that people are led to `…/proxy/` first, as Kubernetes does. */
function isBareProxy(
  { subresource }: ApiRequest,
  proxyPath: string | undefined,
  { method, headers }: Request,
): boolean {
  return subresource === "proxy" && proxyPath === undefined && (method === "GET" || method === "HEAD") &&
    !headers.has("upgrade");
}

function toItsRoot(url: string): Response {
  const [, path = "", search = ""] = /^[^:]+:\/\/[^/]*\/+([^?#]*)(\?[^#]*)?/.exec(url) ?? [];
  return new Response(null, { status: 301, headers: { location: `/${path}/${search}` } });
}

function styleOf({ http, query }: Call, wanted: Wanted): ReplyStyle {
  const gzip = /\bgzip\b/.test(http.headers.get("accept-encoding") ?? "");
  return { wanted, gzip, pretty: isForPeople(http, query) };
}

/** Browsers and the like get indented JSON, as from Kubernetes. */
function isForPeople({ headers }: Request, query: URLSearchParams): boolean {
  const asked = query.get("pretty");
  if (asked !== null && asked !== "") return asked === "true" || asked === "1";
  return /^(curl|Wget|Mozilla\/5\.0)/.test(headers.get("user-agent") ?? "");
}
