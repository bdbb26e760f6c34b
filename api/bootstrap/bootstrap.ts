/** Brings a cluster's own objects into being, and up to date, by the verbs that everybody uses. */
import { cloneJson, type ObjectMetadata } from "@k3ts/model";
import { MASTERS, type User } from "../auth/user.ts";
import { createObject } from "../verbs/create.ts";
import type { Verbs } from "../verbs/context.ts";
import { revise } from "../verbs/revise.ts";
import type { WriteRequest } from "../verbs/request.ts";
import { type ApiAddress, type BootstrapObject, bootstrapObjects } from "./objects.ts";

const SYSTEM: User = { name: "system:apiserver", groups: [MASTERS] };
const MANAGER = "k3ts";

/** Idempotent: writes only what is missing or has changed. */
export async function bootstrap(api: ApiAddress, verbs: Verbs, signal: AbortSignal): Promise<void> {
  const objects = bootstrapObjects(api);
  // Namespaces first, as the rest is made in them.
  const first = objects.filter(({ resource }) => resource === "namespaces");
  for (const some of [first, objects.filter((one) => !first.includes(one))]) {
    await Promise.all(some.map((one) => bring(one, verbs, signal)));
  }
}

async function bring({ resource: name, object, kept = false }: BootstrapObject, verbs: Verbs, signal: AbortSignal) {
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
  if (verbs.registry.newest(resource, namespace, objectName) === undefined) {
    await createObject(request, object, verbs);
  } else if (kept) {
    await revise(request, {
      // What others have added to the metadata stays theirs.
      next: (old) => ({ ...cloneJson(object), metadata: mergeMetadata(old.metadata, object.metadata) }),
      rules: "",
      retries: true,
    }, verbs);
  }
}

function mergeMetadata(old: ObjectMetadata, wanted: ObjectMetadata): ObjectMetadata {
  const { labels, annotations } = wanted;
  return {
    ...old,
    ...(labels && { labels: { ...old.labels, ...labels } }),
    ...(annotations && { annotations: { ...old.annotations, ...annotations } }),
  };
}
