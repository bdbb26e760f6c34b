import { StatusError } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import { deleteObject } from "./delete.ts";
import type { DeleteCollectionRequest, Reply } from "./request.ts";
import { scopeOf } from "./selection.ts";

/** Deletes under way at once. */
const AT_ONCE_MAX = 64;

/** Deletes everything that a selection has, and answers with what it was. */
export async function deleteCollection(request: DeleteCollectionRequest, verbs: Verbs): Promise<Reply> {
  authorize(request, "deletecollection", verbs);
  const { resource } = request;
  const { cache } = verbs.registry;
  const page = cache.of(resource).page(scopeOf(request), cache.revision, {});
  for (let from = 0; from < page.objects.length; from += AT_ONCE_MAX) {
    request.signal.throwIfAborted();
    await Promise.all(
      page.objects.slice(from, from + AT_ONCE_MAX).map(({ namespace, name }) =>
        deleteObject({ ...request, namespace, name }, verbs).catch(ignoreGone)
      ),
    );
  }
  return { type: "list", resource, page: { objects: page.objects, revision: cache.revision } };
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof StatusError && error.status.reason === "NotFound")) throw error;
}
