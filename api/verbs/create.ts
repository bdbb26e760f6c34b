import { type ApiObject, cloneJson } from "@k3ts/model";
import { badRequest, nameNotGenerated, StatusError } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import { decodeObject } from "./decode.ts";
import { record, refuseManager } from "./managers.ts";
import { giveName, inOrder, newMetadata } from "./metadata.ts";
import { refuseIfInvalid } from "./validity.ts";
import { type CreateRequest, objectReply, type Reply } from "./request.ts";
import { answerReview } from "./review.ts";
import { createSubresource } from "./create_subresource.ts";

/** Names made before a generated name is given up. */
const NAMES_TRIED_MAX = 8;

/** A new object; or a question that is answered and forgotten, or something done to an object. */
export async function create(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  authorize(request, "create", verbs);
  refuseManager(request.fieldManager, "CreateOptions");
  if (request.subresource !== "") return await createSubresource(request, verbs);
  if (!request.resource.stored) return await answerReview(request, verbs);
  const { object, problems } = decodeObject(request.resource, request.body, request.fieldValidation);
  const stored = await createObject(request, object, verbs);
  return objectReply(request.resource, stored, problems, 201);
}

/** Creates from an object that has been read; also where an update or an apply finds nothing. */
export async function createObject(
  request: Omit<CreateRequest, "body">,
  given: ApiObject,
  verbs: Verbs,
  managed: "record" | "already" = "record",
) {
  const { resource } = request;
  if (given.metadata.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
  const generated = !given.metadata.name && !!given.metadata.generateName;
  for (let tried = 1;; tried++) {
    try {
      // What was given is needed again only where another name may have to be tried.
      const object = inOrder(resource, generated ? cloneJson(given) : given);
      await prepare(request, object, verbs, managed);
      return await verbs.registry.insert(resource, object, { dryRun: request.dryRun });
    } catch (error) {
      const taken = error instanceof StatusError && error.status.reason === "AlreadyExists";
      if (!taken || !generated) throw error;
      if (tried >= NAMES_TRIED_MAX) throw nameNotGenerated(resource, error.status.details?.name ?? "");
    }
  }
}

async function prepare(
  request: Omit<CreateRequest, "body">,
  object: ApiObject,
  verbs: Verbs,
  managed: "record" | "already",
): Promise<void> {
  const { resource } = request;
  const { strategy } = resource;
  giveName(object, request, verbs.random);
  strategy.defaults(object);
  // Before admission: what that adds is nobody's, so that no apply ever takes it away.
  if (managed === "record") record(request, object, undefined, verbs);
  const admitted = { ...request, operation: "CREATE" as const, name: object.metadata.name, object };
  await verbs.admission.mutate(admitted);
  // What admission has added has defaults too.
  strategy.defaults(object);
  object.metadata = newMetadata(object.metadata, verbs.clock.wall());
  strategy.prepareForCreate(object);
  refuseIfInvalid(resource, object, strategy.validate(object));
  await verbs.admission.validate(admitted);
}
