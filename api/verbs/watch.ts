import type { Form } from "../cache/encoding.ts";
import type { EventSink, JoiningSink, Watch } from "../cache/watch.ts";
import { invalid } from "../status.ts";
import { storeObject } from "../registry/stored_object.ts";
import type { ServedResource } from "../resources.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import type { WatchRequest } from "./request.ts";
import { parseRevision } from "./resource_version.ts";
import { scopeOf } from "./selection.ts";

/**
 * The changes of a collection, as they come. Nothing is sent before the first `resume` of the watch.
 *
 * Without a resource version, or with "0", it begins with everything that is there.
 */
export async function watch(
  request: WatchRequest,
  form: Form,
  sink: EventSink | JoiningSink,
  verbs: Verbs,
): Promise<Watch> {
  authorize(request, "watch", verbs);
  refuseIfContradictory(request);
  const { resource, allowBookmarks, sendInitialEvents } = request;
  const after = parseRevision(request.resourceVersion);
  // What is there now must not be older than what the caller has seen.
  if (sendInitialEvents && after !== undefined) await verbs.registry.cache.waitFor(after, request.signal);
  const fromNewest = sendInitialEvents ?? (after === undefined || after === 0);
  const options = {
    user: request.user.name,
    scope: scopeOf(request),
    form,
    view: viewOf(request, form),
    // Without initial events and without a revision it is only what comes from now on.
    from: fromNewest ? "newest" as const : { after: after ? after : verbs.registry.cache.revision },
    bookmarks: allowBookmarks,
    marksInitialEnd: sendInitialEvents === true && allowBookmarks,
    bookmark: (metadata: { resourceVersion: string }) => bookmarkOf(resource, metadata),
  };
  return verbs.registry.cache.watch(resource, options, sink);
}

/** What it sees, by what was asked. */
function viewOf({ resource, namespace, name, labelSelector, fieldSelector }: WatchRequest, { id }: Form): string {
  return JSON.stringify([resource.apiVersion, resource.resource, namespace, name, labelSelector, fieldSelector, id]);
}

/** An object with nothing but its kind and where the watch is. */
function bookmarkOf(resource: ServedResource, metadata: { resourceVersion: string }) {
  const { kind, apiVersion } = resource;
  const bare = { ...resource, fieldsOf: () => ({}) };
  const object = { kind, apiVersion, metadata: { ...metadata, name: "" } };
  const stored = storeObject(bare, object, Number(metadata.resourceVersion));
  const shown = { kind, apiVersion, metadata: { ...metadata, creationTimestamp: null } };
  return { ...stored, json: new TextEncoder().encode(JSON.stringify(shown)) };
}

function refuseIfContradictory({ sendInitialEvents, resourceVersionMatch: match }: WatchRequest): void {
  const wrong = (field: string, body: string) =>
    invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [{
      type: "FieldValueForbidden",
      field,
      body: `Forbidden: ${body}`,
    }]);
  if (sendInitialEvents === undefined && match !== "") {
    throw wrong(
      "resourceVersionMatch",
      "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
    );
  }
  if (sendInitialEvents !== undefined && match !== "NotOlderThan") {
    throw wrong("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
}
