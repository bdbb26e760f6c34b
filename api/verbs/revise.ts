/**
 * Every write over an object that exists: update, patch, scale, binding… They differ in how the next state is made from
 * the last; that it is checked, admitted, recorded, stored, and made again when another write came first, is the same.
 */
import type { ApiObject } from "@k3ts/model";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import { notFound } from "../status.ts";
import type { Verbs } from "./context.ts";
import { record } from "./managers.ts";
import { inOrder, keepMetadata, mayVanish, sameObject } from "./metadata.ts";
import { orOvertaken, retryOvertaken } from "./overtaken.ts";
import type { WriteRequest } from "./request.ts";
import { refuseIfInvalid } from "./validity.ts";

export interface Revision {
  /**
   * The next state, made from the last, which it must not change. Called again after a conflict.
   * @throws {StatusError} to refuse
   */
  next(old: ApiObject): ApiObject;
  /** Whether a conflict is nobody's fault, because the client did not say from which state it came. */
  retries: boolean;
  /**
   * Whose rules say what the write may touch and what is valid: "" the object's own, or a subresource's. Absent where
   * the server itself makes the change.
   */
  rules?: string;
  /** Whether `next` has recorded the managers itself. @default false */
  managed?: boolean;
}

/** @returns the new state; the old one when nothing would change */
export async function revise(request: WriteRequest, revision: Revision, verbs: Verbs): Promise<StoredObject> {
  return await retryOvertaken(() => reviseOnce(request, revision, verbs), revision.retries, request.signal);
}

async function reviseOnce(request: WriteRequest, revision: Revision, verbs: Verbs): Promise<StoredObject> {
  const { resource, namespace, name, dryRun } = request;
  const { registry, admission } = verbs;
  const { strategy } = resource;
  const from = registry.newest(resource, namespace, name);
  if (from === undefined) throw notFound(resource, name);
  const old = parseObject<ApiObject>(from);
  const object = inOrder(resource, revision.next(old));
  object.metadata = keepMetadata(object.metadata, old.metadata);
  if (revision.rules !== undefined) {
    strategy.prepareForUpdate(object, old, revision.rules);
    strategy.defaults(object);
  }
  // Before admission: what that adds is nobody's, so that no apply ever takes it away.
  if (!revision.managed) record(request, object, old, verbs);
  const admitted = { ...request, operation: "UPDATE" as const, object, old };
  const changing = admission.mutate(admitted);
  // Waiting for nothing would give up the turn, and with it the certainty that what was read is the newest state.
  if (changing !== undefined) await changing;
  strategy.defaults(object);
  if (revision.rules !== undefined) {
    refuseIfInvalid(resource, object, strategy.validateUpdate(object, old, revision.rules));
  }
  const judging = admission.validate(admitted);
  if (judging !== undefined) await judging;
  if (sameObject(object, old)) return from;
  return await orOvertaken(
    mayVanish(object)
      ? registry.remove(resource, from, object, { dryRun })
      : registry.replace(resource, object, from, { dryRun, mayBeLost: namespace === resource.heartbeatsIn }),
  );
}
