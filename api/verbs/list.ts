import { parseContinue } from "../cache/continue_token.ts";
import { badRequest, invalid } from "../status.ts";
import { authorize } from "./authorize.ts";
import type { Verbs } from "./context.ts";
import type { ListRequest, Reply } from "./request.ts";
import { parseRevision } from "./resource_version.ts";
import { scopeOf } from "./selection.ts";

/**
 * The objects of a collection, or a page of them.
 *
 * What is visible is always durable and the newest, so a list without a resource version, with "0", and one that must
 * not be older than some revision differ only in what they wait for.
 */
export async function list(request: ListRequest, verbs: Verbs): Promise<Reply> {
  authorize(request, "list", verbs);
  refuseIfContradictory(request);
  const { resource, limit, signal } = request;
  const { cache } = verbs.registry;
  const scope = scopeOf(request);
  const token = request.continue === "" ? undefined : parseContinue(request.continue);
  const wanted = token === undefined ? parseRevision(request.resourceVersion) : undefined;
  if (wanted !== undefined) await cache.waitFor(wanted, signal);
  const exact = request.resourceVersionMatch === "Exact" ? wanted : undefined;
  const page = cache.of(resource).page(scope, cache.revision, {
    limit,
    ...(token !== undefined && { token }),
    ...(exact !== undefined && { exact }),
    ...(request.pageBytesMax !== undefined && { bytesMax: request.pageBytesMax }),
  });
  return { type: "list", resource, page };
}

function refuseIfContradictory({ resourceVersion, resourceVersionMatch: match, continue: token }: ListRequest): void {
  const wrong = (body: string) =>
    invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [{
      type: "FieldValueForbidden",
      field: "resourceVersionMatch",
      body: `Forbidden: ${body}`,
    }]);
  if (token !== "" && resourceVersion !== "" && resourceVersion !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  if (match === "") return;
  if (token !== "") throw wrong("resourceVersionMatch is forbidden when continue is provided");
  if (resourceVersion === "") throw wrong("resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (match !== "Exact" && match !== "NotOlderThan") {
    throw invalid({ group: "meta.k8s.io", kind: "ListOptions" }, "", [{
      type: "FieldValueNotSupported",
      field: "resourceVersionMatch",
      body: `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`,
    }]);
  }
  if (match === "Exact" && resourceVersion === "0") {
    throw wrong('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
}
