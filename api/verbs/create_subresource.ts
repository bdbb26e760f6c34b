import { methodNotSupported } from "../status.ts";
import { bind } from "./binding.ts";
import type { Verbs } from "./context.ts";
import { evict } from "./eviction.ts";
import type { CreateRequest, Reply } from "./request.ts";
import { requestToken } from "./token.ts";

/** What is done to an object by posting to it. */
const ACTIONS: Readonly<Record<string, (request: CreateRequest, verbs: Verbs) => Promise<Reply>>> = {
  "pods/binding": bind,
  "pods/eviction": evict,
  "serviceaccounts/token": requestToken,
};

export async function createSubresource(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const action = ACTIONS[`${request.resource.resource}/${request.subresource}`];
  if (action === undefined) throw methodNotSupported(request.resource, "create");
  return await action(request, verbs);
}
