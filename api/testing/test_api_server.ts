/** A whole API server inside a test: memory store, a clock that stands still, names that repeat. */
import { createRouterTransport, type Transport } from "@connectrpc/connect";
import type { ApiObject } from "@k3ts/model";
import { authenticatedUser, MASTERS, type User } from "../auth/user.ts";
import { generateTokenKey } from "../auth/service_account_tokens.ts";
import { routeResources } from "../faces/connect.ts";
import { parseObject } from "../registry/stored_object.ts";
import { type ApiServer, type ApiServerOptions, createApiServer } from "../server.ts";
import { MemoryStore } from "../store/memory.ts";
import { create } from "../verbs/create.ts";
import { remove } from "../verbs/delete.ts";
import { get } from "../verbs/get.ts";
import { list } from "../verbs/list.ts";
import { patch } from "../verbs/patch.ts";
import type { CreateRequest, DeleteOptions, PatchType, Reply } from "../verbs/request.ts";
import { update } from "../verbs/update.ts";
import { FakeClock } from "@k3ts/model/testing";

export const ADMIN: User = authenticatedUser("admin", [MASTERS]);

/** What a call is about: `{ resource: "pods", namespace: "default", name: "a" }`. */
export interface CallTarget {
  /** `pods`, `deployments.apps`. */
  resource: string;
  namespace?: string;
  name?: string;
  subresource?: string;
  /** @default an administrator */
  user?: User;
}

export interface TestApiServer extends ApiServer {
  readonly clock: FakeClock;
  /** Speaks ResourceService in this process. @param user an administrator unless told otherwise */
  transport(user?: User): Transport;
  create<T extends ApiObject = ApiObject>(
    target: CallTarget,
    object: object,
    more?: Partial<CreateRequest>,
  ): Promise<T>;
  update<T extends ApiObject = ApiObject>(
    target: CallTarget,
    object: object,
    more?: Partial<CreateRequest>,
  ): Promise<T>;
  patch<T extends ApiObject = ApiObject>(
    target: CallTarget,
    type: PatchType,
    change: unknown,
    more?: Partial<CreateRequest> & { force?: boolean },
  ): Promise<T>;
  get<T extends ApiObject = ApiObject>(target: CallTarget): Promise<T>;
  list<T extends ApiObject = ApiObject>(target: CallTarget, more?: { labelSelector?: string }): Promise<T[]>;
  delete(target: CallTarget, options?: DeleteOptions): Promise<ApiObject>;
}

/** @param options whatever is not given is made for the test */
export async function testApiServer(options: Partial<ApiServerOptions> = {}): Promise<TestApiServer> {
  const clock = options.clock instanceof FakeClock ? options.clock : new FakeClock();
  const server = await createApiServer({
    store: new MemoryStore(),
    tokenKeys: await generateTokenKey("test"),
    random: numbers(),
    ...options,
    clock,
  }, new AbortController().signal);
  const { verbs } = server;
  const requestOf = ({ resource, namespace = "", name = "", subresource = "", user = ADMIN }: CallTarget) => ({
    user,
    resource: server.resources.get(resource),
    namespace,
    name,
    subresource,
    signal: new AbortController().signal,
  });
  const writeOf = (target: CallTarget, body: unknown, more: Partial<CreateRequest> = {}) => ({
    ...requestOf(target),
    dryRun: false,
    fieldManager: "test",
    fieldValidation: "Strict" as const,
    body: { bytes: new TextEncoder().encode(JSON.stringify(body)), encoding: "json" as const },
    ...more,
  });
  return {
    ...server,
    clock,
    transport: (user = ADMIN) => createRouterTransport((router) => routeResources(router, server, () => user)),
    create: async <T>(target: CallTarget, object: object, more?: Partial<CreateRequest>) =>
      read<T>(await create(writeOf(target, object, more), verbs)),
    update: async <T>(target: CallTarget, object: object, more?: Partial<CreateRequest>) =>
      read<T>(await update(writeOf(target, object, more), verbs)),
    patch: async <T>(
      target: CallTarget,
      type: PatchType,
      change: unknown,
      more: Partial<CreateRequest> & { force?: boolean } = {},
    ) => read<T>(await patch({ ...writeOf(target, change, more), type, force: more.force ?? false }, verbs)),
    get: async <T>(target: CallTarget) => read<T>(await get({ ...requestOf(target), resourceVersion: "" }, verbs)),
    async list<T>(target: CallTarget, { labelSelector = "" } = {}) {
      const reply = await list({
        ...requestOf(target),
        labelSelector,
        fieldSelector: "",
        limit: 0,
        continue: "",
        resourceVersion: "",
        resourceVersionMatch: "",
      }, verbs);
      return reply.type === "list" ? reply.page.objects.map((object) => parseObject(object) as T) : [];
    },
    delete: async (target, deleteOptions = {}) =>
      read(await remove({ ...requestOf(target), options: deleteOptions }, verbs)),
  };
}

/** What a reply shows, as plain data. */
export function read<T = ApiObject>(reply: Reply): T {
  if (reply.type === "object") return parseObject(reply.object) as T;
  if (reply.type === "value") return reply.value as T;
  throw new TypeError(`Cannot read a reply as one object: it is a ${reply.type}`);
}

/** The same numbers from 0 to 1 every time. */
function numbers(): () => number {
  let state = 1;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}
