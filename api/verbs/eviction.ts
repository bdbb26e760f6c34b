/** Deletes a pod by way of the disruption budget that it stands under. */
import {
  type ApiObject,
  cloneJson,
  equalJson,
  formatTime,
  isTerminal,
  isUnder,
  mergeConditions,
  type Pod,
  type PodCondition,
  type PodDisruptionBudget,
  typeFacts,
} from "@k3ts/model";
import { parseObject } from "../registry/stored_object.ts";
import { conflict, internalError, notFound, severalBudgets, StatusError } from "../status.ts";
import type { Verbs } from "./context.ts";
import { decodeAs } from "./decode.ts";
import { deleteObject } from "./delete.ts";
import { isBeyondBudgets, isUncounted, spend, stillProcessed } from "./disruption_budget.ts";
import { refuseOtherObject } from "./metadata.ts";
import { type CreateRequest, type DeleteOptions, type Reply, valueReply } from "./request.ts";
import { revise } from "./revise.ts";

const EVICTION = { kind: "Eviction", apiVersion: "policy/v1" };
const EVICTION_TYPE = typeFacts("policy", "v1", "Eviction")!;
/** How often a pod that changes under the eviction is looked at again. */
const TRIES_MAX = 20;

type Budget = PodDisruptionBudget & ApiObject;

export async function evict(request: CreateRequest, verbs: Verbs): Promise<Reply> {
  const { object } = decodeAs<ApiObject & { deleteOptions?: DeleteOptions }>(
    request.body,
    EVICTION_TYPE,
    EVICTION,
    request.fieldValidation,
  );
  object.metadata ??= { name: "" };
  refuseOtherObject(object, request);
  // Before anything is spent of a budget.
  await verbs.admission.validate({ ...request, operation: "CREATE", object });
  const options = optionsOf(object.deleteOptions ?? {}, request.dryRun);
  const eviction = { request: { ...request, dryRun: (options.dryRun ?? []).length > 0 }, options, verbs };
  if (!await evictUnbudgeted(eviction)) await evictBudgeted(eviction);
  const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  return valueReply(success, 201);
}

interface Eviction {
  request: CreateRequest;
  options: DeleteOptions;
  verbs: Verbs;
}

/** A dry run may be asked for in either place. */
function optionsOf(options: DeleteOptions, dryRun: boolean): DeleteOptions {
  const all = dryRun ? ["All"] : [];
  const asked = options.dryRun ?? [];
  if (all.length > 0 && asked.length > 0 && !equalJson(all, asked)) {
    throw internalError(`Non-matching dry-run options in request and content: [${all}] and [${asked}]`);
  }
  return { ...options, dryRun: asked.length > 0 ? asked : all };
}

/** @returns whether the pod is gone, or told to go, as no budget has a say */
async function evictUnbudgeted(eviction: Eviction): Promise<boolean> {
  const isPinned = eviction.options.preconditions?.resourceVersion !== undefined;
  for (let tried = 1;; tried++) {
    const pod = podOf(eviction);
    if (!isBeyondBudgets(pod)) return false;
    try {
      // A pod that is about to serve must not go as one that has not begun.
      const mayServe = !isTerminal(pod) && pod.metadata.deletionTimestamp === undefined;
      await tellAndDelete(eviction, mayServe && !isPinned ? pinned(eviction.options, pod) : eviction.options);
      return true;
    } catch (error) {
      if (isPinned || !isConflict(error) || tried >= TRIES_MAX || eviction.request.signal.aborted) throw error;
    }
  }
}

async function evictBudgeted(eviction: Eviction): Promise<void> {
  const { request, options, verbs } = eviction;
  const pod = podOf(eviction);
  const budgets = budgetsOf(pod, verbs);
  if (budgets.length > 1) throw severalBudgets();
  const [budget] = budgets;
  if (budget === undefined) return await tellAndDelete(eviction, options);
  const { name } = budget.metadata;
  if (!isUncounted(budget, pod)) {
    const resource = verbs.resources.get("poddisruptionbudgets.policy");
    await revise({ ...request, resource, name, subresource: "status" }, {
      next: (old) => spend(cloneJson(old) as unknown as Budget, pod.metadata.name, verbs.clock.wall()) as Budget,
      retries: true,
      managed: true,
    }, verbs);
    return await tellAndDelete(eviction, options);
  }
  try {
    await tellAndDelete(eviction, pinned(options, pod));
  } catch (error) {
    const isPinned = options.preconditions?.resourceVersion !== undefined;
    // It may have become healthy: then it counts, and the client is to ask again.
    throw isConflict(error) && !isPinned ? stillProcessed(name) : error;
  }
}

function podOf({ request, verbs }: Eviction): Pod {
  const { resource, namespace, name } = request;
  const stored = verbs.registry.newest(resource, namespace, name);
  if (stored === undefined) throw notFound(resource, name);
  return parseObject<ApiObject>(stored) as unknown as Pod;
}

function budgetsOf(pod: Pod, { registry, resources }: Verbs): Budget[] {
  const resource = resources.get("poddisruptionbudgets.policy");
  return registry.cache.of(resource).newest({ namespace: pod.metadata.namespace! })
    .map((stored) => parseObject<Budget>(stored))
    .filter((budget) => isUnder(budget, pod));
}

/** Only in the state in which the pod was seen. */
function pinned(options: DeleteOptions, { metadata }: Pod): DeleteOptions {
  const { resourceVersion } = metadata;
  return { ...options, preconditions: { ...options.preconditions, resourceVersion } };
}

/** Says in the pod's status why it goes, and tells it to go. */
async function tellAndDelete({ request, options, verbs }: Eviction, chosen: DeleteOptions = options): Promise<void> {
  let preconditions = chosen.preconditions;
  if (!request.dryRun) {
    const told = await revise(request, {
      next: (old) => disrupted(refuseUnmet(old, chosen), verbs.clock.wall()),
      retries: true,
      managed: true,
    }, verbs);
    // What we have just written ourselves is no reason to refuse.
    if (preconditions?.resourceVersion !== undefined) {
      preconditions = { ...preconditions, resourceVersion: String(told.revision) };
    }
  }
  await deleteObject({ ...request, subresource: "", options: { ...chosen, preconditions } }, verbs);
}

function disrupted(old: ApiObject, now: number): ApiObject {
  const pod = cloneJson(old) as unknown as Pod;
  const condition: PodCondition = {
    type: "DisruptionTarget",
    status: "True",
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
  };
  const conditions = [...mergeConditions<PodCondition>(pod.status?.conditions, [condition], formatTime(now))];
  return { ...pod, status: { ...pod.status, conditions } } as ApiObject;
}

function refuseUnmet(old: ApiObject, { preconditions }: DeleteOptions): ApiObject {
  const { name, uid = "", resourceVersion = "" } = old.metadata;
  const pods = { group: "", resource: "Pod" };
  if (preconditions?.uid && preconditions.uid !== uid) {
    const what = `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}).`;
    throw conflict(pods, name, `${what} The object might have been deleted and then recreated`);
  }
  if (preconditions?.resourceVersion && preconditions.resourceVersion !== resourceVersion) {
    const what = `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ` +
      `ResourceVersion in record (${resourceVersion}).`;
    throw conflict(pods, name, `${what} The object might have been modified`);
  }
  return old;
}

function isConflict(error: unknown): boolean {
  return error instanceof StatusError && error.status.reason === "Conflict";
}
