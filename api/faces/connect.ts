/**
 * ResourceService: the objects of the cluster over Connect. A thin face: it builds the requests that the REST face
 * builds, and renders the same replies.
 *
 * It is here, and not beside the REST face in the server, so that a test of a plugin has a whole API in its process.
 */
import {
  type CreateRequest as CreateMessage,
  type DeleteOptions as DeleteOptionsMessage,
  Encoding,
  PatchType as PatchTypeMessage,
  type ResourceName,
  ResourceService,
  type WriteOptions as WriteOptionsMessage,
} from "@k3ts/proto";
import { encodeProtobuf, type FieldValidation, typeFacts } from "@k3ts/model";
import type { ConnectRouter, HandlerContext, Interceptor, ServiceImpl } from "@connectrpc/connect";
import type { User } from "../auth/user.ts";
import type { Form } from "../cache/encoding.ts";
import type { FormChoice } from "../forms/forms.ts";
import { tableOf } from "../forms/table.ts";
import type { ApiServer } from "../server.ts";
import { badRequest, internalError, methodNotSupported, noSuchResource, tooLargeEntity } from "../status.ts";
import { create } from "../verbs/create.ts";
import { deleteCollection } from "../verbs/delete_collection.ts";
import { remove } from "../verbs/delete.ts";
import { get } from "../verbs/get.ts";
import { list } from "../verbs/list.ts";
import { managerOfUserAgent } from "../verbs/managers.ts";
import { patch } from "../verbs/patch.ts";
import type { Body, DeleteOptions, PatchType, Reply, Request, WriteRequest } from "../verbs/request.ts";
import { update } from "../verbs/update.ts";
import { connectErrorOf } from "./connect_errors.ts";
import { watchResponses } from "./connect_watch.ts";

/** Says who calls, from what the transport knows. @throws {StatusError} or {ConnectError} when it may not call at all */
export type Identify = (context: HandlerContext) => User | Promise<User>;

const encoder = new TextEncoder();

/** Bytes of an object or a patch. */
const OBJECT_BYTES_MAX = 3 * 1024 * 1024;
/** A page is one message, which plugins take at up to 16 MiB. */
const PAGE_BYTES_MAX = 4 * 1024 * 1024;

const PATCH_TYPES: Readonly<Record<number, PatchType>> = {
  [PatchTypeMessage.JSON]: "json",
  [PatchTypeMessage.MERGE]: "merge",
  [PatchTypeMessage.STRATEGIC_MERGE]: "strategic",
  [PatchTypeMessage.APPLY]: "apply",
};

/** Adds the service to a router, be it of a server or of a test's own transport. */
export function routeResources(
  router: ConnectRouter,
  server: ApiServer,
  identify: Identify,
  interceptors: Interceptor[] = [],
): void {
  router.service(ResourceService, resourceService(server, identify), { interceptors });
}

type Methods = ServiceImpl<typeof ResourceService>;

function resourceService(server: ApiServer, identify: Identify): Methods {
  const requestOf: RequestOf = (name, context) => resolve(server, name, context, identify);
  return { ...reading(server, identify, requestOf), ...writing(server, requestOf) };
}

type RequestOf = (name: ResourceName | undefined, context: HandlerContext) => Promise<Request>;

function reading(
  server: ApiServer,
  identify: Identify,
  requestOf: RequestOf,
): Pick<Methods, "discover" | "get" | "list" | "watch"> {
  const { verbs } = server;
  return {
    async discover(_message, context) {
      return await answer(async () => {
        verbs.access.require(await identify(context), { verb: "get", path: "/apis" });
        return { resources: server.resources.all.map(discovered) };
      });
    },

    async get(message, context) {
      return await answer(async () => {
        const request = await requestOf(message.resource, context);
        const reply = await get({ ...request, resourceVersion: message.resourceVersion }, verbs);
        return { object: render(reply, message.encoding, server) };
      });
    },

    async list(message, context) {
      return await answer(async () => {
        const request = await requestOf(message.resource, context);
        const { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch } = message;
        const reply = await list({
          ...request,
          labelSelector,
          fieldSelector,
          limit: Number(message.limit),
          pageBytesMax: PAGE_BYTES_MAX,
          continue: message.continue,
          resourceVersion,
          resourceVersionMatch,
        }, verbs);
        return renderList(reply, message.encoding, server);
      });
    },

    async *watch(message, context) {
      try {
        const request = await requestOf(message.resource, context);
        const form = server.forms.of(request.resource, choiceOf(message.encoding));
        yield* watchResponses(
          server,
          {
            ...request,
            labelSelector: message.labelSelector,
            fieldSelector: message.fieldSelector,
            resourceVersion: message.resourceVersion,
            resourceVersionMatch: message.sendInitialEvents ? "NotOlderThan" : "",
            allowBookmarks: message.allowBookmarks,
            ...(message.sendInitialEvents && { sendInitialEvents: true }),
          },
          form,
          Number(message.timeoutSeconds),
        );
      } catch (error) {
        throw connectErrorOf(error);
      }
    },
  };
}

function writing(
  server: ApiServer,
  requestOf: RequestOf,
): Pick<Methods, "create" | "update" | "patch" | "delete" | "deleteCollection"> {
  const { verbs } = server;
  return {
    async create(message, context) {
      return await answer(async () => {
        const request = writeOf(await requestOf(message.resource, context), message.options, context);
        if (request.resource.namespaced && request.namespace === "") {
          throw methodNotSupported(request.resource, "create");
        }
        const reply = await create({ ...request, body: bodyOf(message) }, verbs);
        return { object: render(reply, message.encoding, server), warnings: warningsOf(reply) };
      });
    },

    async update(message, context) {
      return await answer(async () => {
        const request = writeOf(await requestOf(message.resource, context), message.options, context);
        const reply = await update({ ...request, body: bodyOf(message) }, verbs);
        return { object: render(reply, message.encoding, server), warnings: warningsOf(reply) };
      });
    },

    async patch(message, context) {
      return await answer(async () => {
        const request = writeOf(await requestOf(message.resource, context), message.options, context);
        const type = PATCH_TYPES[message.type];
        if (type === undefined) throw badRequest("the type of the patch must be given");
        // An apply is told by its client who it is: a name made up here would own fields for ever.
        const fieldManager = type === "apply" ? message.options?.fieldManager ?? "" : request.fieldManager;
        refuseTooLarge(message.patch);
        const body: Body = { bytes: message.patch, encoding: type === "apply" ? "yaml" : "json" };
        const reply = await patch({ ...request, fieldManager, body, type, force: message.force }, verbs);
        return {
          object: render(reply, message.encoding, server),
          warnings: warningsOf(reply),
          created: reply.type === "object" && reply.code === 201,
        };
      });
    },

    async delete(message, context) {
      return await answer(async () => {
        const request = await requestOf(message.resource, context);
        const reply = await remove({ ...request, options: deleteOptionsOf(message.options) }, verbs);
        return { object: render(reply, message.encoding, server) };
      });
    },

    async deleteCollection(message, context) {
      return await answer(async () => {
        const request = await requestOf(message.resource, context);
        const { labelSelector, fieldSelector } = message;
        const options = deleteOptionsOf(message.options);
        const reply = await deleteCollection({ ...request, labelSelector, fieldSelector, options }, verbs);
        return { deleted: BigInt(reply.type === "list" ? reply.page.objects.length : 0) };
      });
    },
  };
}

async function answer<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    throw connectErrorOf(error);
  }
}

async function resolve(
  { resources }: ApiServer,
  name: ResourceName | undefined,
  context: HandlerContext,
  identify: Identify,
): Promise<Request> {
  const user = await identify(context);
  if (name === undefined) throw badRequest("the request must name a resource");
  const apiVersion = name.group === "" ? name.version : `${name.group}/${name.version}`;
  const resource = resources.find(apiVersion, name.resource);
  const { namespace, subresource } = name;
  // A role binding allows what it allows within its namespace: what has none must not be asked for in one.
  if (resource === undefined || (namespace !== "" && !resource.namespaced)) throw noSuchResource();
  if (subresource !== "" && !resource.subresources.some((one) => one.name === subresource)) throw noSuchResource();
  return { user, resource, namespace, name: name.name, subresource, signal: context.signal };
}

function writeOf(
  request: Request,
  options: WriteOptionsMessage | undefined,
  context: HandlerContext,
): WriteRequest {
  const validation = options?.fieldValidation ?? "";
  if (!["", "Ignore", "Warn", "Strict"].includes(validation)) {
    throw badRequest(`fieldValidation must be Ignore, Warn or Strict: ${validation}`);
  }
  return {
    ...request,
    dryRun: options?.dryRun ?? false,
    fieldManager: options?.fieldManager || managerOfUserAgent(context.requestHeader.get("user-agent") ?? ""),
    fieldValidation: (validation || "Warn") as FieldValidation,
  };
}

function bodyOf({ object, encoding }: Pick<CreateMessage, "object" | "encoding">): Body {
  refuseTooLarge(object);
  return { bytes: object, encoding: encoding === Encoding.PROTOBUF ? "protobuf" : "json" };
}

/** As much as Kubernetes takes: a call may carry more, which nobody could store. @throws {StatusError} 413 */
function refuseTooLarge({ length }: Uint8Array): void {
  if (length > OBJECT_BYTES_MAX) throw tooLargeEntity(`limit is ${OBJECT_BYTES_MAX}`);
}

function deleteOptionsOf(message: DeleteOptionsMessage | undefined): DeleteOptions {
  if (message === undefined) return {};
  const { gracePeriodSeconds, propagationPolicy, preconditionUid, preconditionResourceVersion, dryRun } = message;
  if (!["", "Orphan", "Background", "Foreground"].includes(propagationPolicy)) {
    throw badRequest(`propagationPolicy must be Orphan, Background or Foreground: ${propagationPolicy}`);
  }
  return {
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds: Number(gracePeriodSeconds) }),
    ...(propagationPolicy !== "" && { propagationPolicy: propagationPolicy as "Orphan" }),
    preconditions: {
      ...(preconditionUid !== "" && { uid: preconditionUid }),
      ...(preconditionResourceVersion !== "" && { resourceVersion: preconditionResourceVersion }),
    },
    ...(dryRun && { dryRun: ["All"] }),
  };
}

function choiceOf(encoding: Encoding): FormChoice {
  if (encoding === Encoding.TABLE) return { as: "table", include: "Metadata" };
  return { as: encoding === Encoding.PROTOBUF ? "protobuf" : "json" };
}

function render(reply: Reply, encoding: Encoding, { forms }: ApiServer): Uint8Array<ArrayBuffer> {
  if (reply.type === "object") return owned(forms.of(reply.resource, choiceOf(encoding)).encode(reply.object));
  if (reply.type !== "value") throw internalError(`a reply of type ${reply.type} is not for one object`);
  const { value } = reply;
  if (encoding !== Encoding.PROTOBUF) return encoder.encode(JSON.stringify(value));
  const [group, version] = value.apiVersion.includes("/")
    ? value.apiVersion.split("/") as [string, string]
    : ["", value.apiVersion] as const;
  const type = typeFacts(group, version, value.kind);
  if (type === undefined) throw internalError(`there is no type ${value.apiVersion} ${value.kind}`);
  return encodeProtobuf(value, type);
}

function renderList(reply: Reply, encoding: Encoding, { forms, verbs }: ApiServer) {
  if (reply.type !== "list") throw internalError(`a reply of type ${reply.type} is not a list`);
  const { resource, page } = reply;
  const resourceVersion = String(page.revision);
  const more = { continue: page.continue ?? "", remainingItemCount: BigInt(page.remaining ?? 0) };
  if (encoding === Encoding.TABLE) {
    const table = tableOf(resource, page.objects, "Metadata", verbs.clock.wall(), resourceVersion);
    return { objects: [encoder.encode(JSON.stringify(table))], resourceVersion, ...more };
  }
  const form: Form = forms.of(resource, choiceOf(encoding));
  return { objects: page.objects.map((object) => owned(form.encode(object))), resourceVersion, ...more };
}

function warningsOf(reply: Reply): string[] {
  return "warnings" in reply ? [...reply.warnings] : [];
}

function discovered(resource: ApiServer["resources"]["all"][number]) {
  const { facts, group, version, kind, namespaced, verbs, subresources } = resource;
  return {
    group,
    version,
    resource: resource.resource,
    kind,
    singular: facts.singular,
    namespaced,
    shortNames: [...facts.shortNames ?? []],
    categories: [...facts.categories ?? []],
    verbs: [...verbs],
    subresources: subresources.map(({ name }) => name),
    preferred: true,
  };
}

/** Bytes that are stored are never in shared memory, which the type cannot know. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
