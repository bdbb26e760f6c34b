/**
 * The end of an object: at once, or when whoever holds it (a grace period, finalizers) has let go.
 *
 * Follows k8s.io/apiserver `registry/rest/delete.go` and `registry/generic/registry/store.go` (1.35).
 */
import { type ApiObject, cloneJson, formatTime } from "@k3ts/model";
import { parseObject, type StoredObject } from "../registry/stored_object.ts";
import type { ServedResource } from "../resources.ts";
import { badRequest, deleted, notFound } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import { graceOf } from "./grace.ts";
import { mayVanish, preconditionFailed } from "./metadata.ts";
import { orOvertaken, retryOvertaken } from "./overtaken.ts";
import { type DeleteOptions, type DeleteRequest, objectReply, type Reply, valueReply } from "./request.ts";

const ORPHAN = "orphan";
const FOREGROUND = "foregroundDeletion";
/** As Kubernetes says it of Jobs, the only ones that do so. */
const ORPHANED = "child pods are preserved by default when jobs are deleted; " +
  "set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

/** Answers with the object where it lives on, or where its resource says so; else with a Status. */
export async function remove(request: DeleteRequest, verbs: Verbs): Promise<Reply> {
  authorize(request, "delete", verbs);
  const { resource, name } = request;
  const { object, gone } = await deleteObject(request, verbs);
  const warnings = orphansUnasked(resource, request.options) ? [ORPHANED] : [];
  if (!gone || resource.answersWithDeleted) return objectReply(resource, object, warnings);
  return valueReply(deleted(resource, name, object.uid), 200, warnings);
}

/** Deletes without asking whether the caller may. */
export async function deleteObject(
  request: DeleteRequest,
  verbs: Verbs,
): Promise<{ object: StoredObject; gone: boolean }> {
  refuseContradictory(request.options);
  return await retryOvertaken(() => deleteOnce(request, verbs), true, request.signal);
}

async function deleteOnce(
  request: DeleteRequest,
  { registry, admission, clock }: Verbs,
): Promise<{ object: StoredObject; gone: boolean }> {
  const { resource, namespace, name, options } = request;
  const dryRun = (options.dryRun ?? []).length > 0;
  const from = registry.newest(resource, namespace, name);
  if (from === undefined) throw notFound(resource, name);
  const old = parseObject<ApiObject>(from);
  refuseUnmet(options, old, resource);
  const judging = admission.validate({ ...request, operation: "DELETE", dryRun, old });
  // Waiting for nothing would give up the turn, and with it the certainty that what was read is the newest state.
  if (judging !== undefined) await judging;
  const next = planDelete(resource, old, options, clock.wall());
  const write = next === "keep"
    ? Promise.resolve(from)
    : next === "vanish" || mayVanish(next)
    ? registry.remove(resource, from, next === "vanish" ? old : next, { dryRun })
    : registry.replace(resource, next, from, { dryRun });
  const object = await orOvertaken(write);
  return { object, gone: next === "vanish" || (next !== "keep" && mayVanish(next)) };
}

/**
 * What a delete makes of an object: nothing more, its end, or a state in which it waits for its end.
 * @param now ms since the epoch
 */
function planDelete(
  resource: ServedResource,
  old: ApiObject,
  options: DeleteOptions,
  now: number,
): "keep" | "vanish" | ApiObject {
  const { metadata } = old;
  const { deletionTimestamp, deletionGracePeriodSeconds: before = 0 } = metadata;
  const pending = deletionTimestamp !== undefined;
  const asked = options.gracePeriodSeconds;
  const grace = pending && asked === undefined ? before : graceOf(resource, old, asked);
  const finalizers = finalizersAfter(resource, old, options);
  if (grace === 0 && finalizers.length === 0 && !hasSpecFinalizers(old)) return "vanish";
  // A second delete may hasten the first, never delay it.
  const hastens = !pending || grace < before;
  const next = cloneJson(old);
  if (finalizers.length > 0) next.metadata.finalizers = finalizers;
  else delete next.metadata.finalizers;
  if (!hastens) return JSON.stringify(next) === JSON.stringify(old) ? "keep" : next;
  const since = pending ? Date.parse(deletionTimestamp) - before * 1000 : now;
  next.metadata.deletionTimestamp = formatTime(since + grace * 1000);
  next.metadata.deletionGracePeriodSeconds = grace;
  if (metadata.generation !== undefined && !pending) next.metadata.generation = metadata.generation + 1;
  markTerminating(resource, next);
  return next;
}

/** What the options say about dependents, as finalizers that the garbage collector works off. */
function finalizersAfter(resource: ServedResource, { metadata }: ApiObject, options: DeleteOptions): string[] {
  const present = metadata.finalizers ?? [];
  const isDecided = present.includes(ORPHAN) || present.includes(FOREGROUND);
  const policy = askedPolicy(options) ?? (resource.orphansByDefault && !isDecided ? "Orphan" : undefined);
  if (policy === undefined) return present;
  const others = present.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND);
  if (policy === "Orphan") return [...others, ORPHAN];
  return policy === "Foreground" ? [...others, FOREGROUND] : others;
}

function askedPolicy({ propagationPolicy, orphanDependents }: DeleteOptions): DeleteOptions["propagationPolicy"] {
  if (propagationPolicy !== undefined || orphanDependents === undefined) return propagationPolicy;
  return orphanDependents ? "Orphan" : "Background";
}

function orphansUnasked(resource: ServedResource, options: DeleteOptions): boolean {
  return resource.orphansByDefault && askedPolicy(options) === undefined;
}

function hasSpecFinalizers({ metadata: _, ...rest }: ApiObject): boolean {
  const { spec } = rest as { spec?: { finalizers?: unknown } };
  return Array.isArray(spec?.finalizers) && spec.finalizers.length > 0;
}

/** A namespace shows in its status that it is going. */
function markTerminating(resource: ServedResource, object: ApiObject): void {
  if (resource.group !== "" || resource.resource !== "namespaces") return;
  const namespace = object as ApiObject & { status?: { phase?: string } };
  namespace.status = { ...namespace.status, phase: "Terminating" };
}

function refuseUnmet({ preconditions }: DeleteOptions, { metadata }: ApiObject, resource: ServedResource): void {
  const { uid, resourceVersion } = preconditions ?? {};
  if (uid !== undefined && uid !== metadata.uid) {
    throw preconditionFailed(resource, metadata.name, "UID", uid, metadata.uid ?? "");
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw preconditionFailed(
      resource,
      metadata.name,
      "ResourceVersion",
      resourceVersion,
      metadata.resourceVersion ?? "",
    );
  }
}

function refuseContradictory({ propagationPolicy, orphanDependents }: DeleteOptions): void {
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    throw badRequest(
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: ' +
        `"${propagationPolicy}": orphanDependents and deletionPropagation cannot be both set`,
    );
  }
}
