/** Brings a cluster's own objects into being, and up to date, by the verbs that everybody uses. */
import type { ApiObject } from "@k3ts/model";
import { MASTERS, type User } from "../auth/user.ts";
import { parseObject } from "../registry/stored_object.ts";
import { createObject } from "../verbs/create.ts";
import { deleteObject } from "../verbs/delete.ts";
import type { Verbs } from "../verbs/context.ts";
import { revise } from "../verbs/revise.ts";
import type { WriteRequest } from "../verbs/request.ts";
import { type ApiAddress, type BootstrapObject, bootstrapObjects } from "./objects.ts";

const SYSTEM: User = { name: "system:apiserver", groups: [MASTERS] };
const MANAGER = "k3ts";

/** Idempotent: writes only what is missing or has changed. What users have added to roles and bindings stays. */
export async function bootstrap(api: ApiAddress, verbs: Verbs, signal: AbortSignal): Promise<void> {
  const objects = bootstrapObjects(api);
  // Namespaces first, as the rest is made in them.
  const first = objects.filter(({ resource }) => resource === "namespaces");
  for (const some of [first, objects.filter((one) => !first.includes(one))]) {
    await Promise.all(some.map((one) => bring(one, verbs, signal)));
  }
}

async function bring({ resource: name, object, update }: BootstrapObject, verbs: Verbs, signal: AbortSignal) {
  const resource = verbs.resources.get(name);
  const { name: objectName, namespace = "" } = object.metadata;
  const request: WriteRequest = {
    user: SYSTEM,
    resource,
    namespace,
    name: objectName,
    subresource: "",
    signal,
    dryRun: false,
    fieldManager: MANAGER,
    fieldValidation: "Strict",
  };
  const stored = verbs.registry.newest(resource, namespace, objectName);
  if (stored === undefined) return void await createObject(request, object, verbs);
  if (update === undefined) return;
  if (update(parseObject<ApiObject>(stored)) === undefined) {
    await deleteObject({ ...request, options: { preconditions: { uid: stored.uid } } }, verbs);
    return void await createObject(request, object, verbs);
  }
  await revise(request, { next: (old) => update(old) ?? old, rules: "", retries: true }, verbs);
}
