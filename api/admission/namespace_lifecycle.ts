/** Nothing is made in a namespace that is missing or going, and three namespaces never go. */
import type { Cache } from "../cache/cache.ts";
import { parseObject } from "../registry/stored_object.ts";
import { forbidden, notFound, StatusError } from "../status.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns } from "./admission.ts";

const NAMESPACES = { group: "", resource: "namespaces" };
const IMMORTAL = ["default", "kube-system", "kube-public"];

export function namespaceLifecycle(cache: Cache): AdmissionPlugin {
  return {
    name: "NamespaceLifecycle",
    mutate(request) {
      if (request.operation !== "CREATE" || !request.resource.namespaced) return;
      const { namespace } = request;
      const stored = cache.get(NAMESPACES, "", namespace);
      if (stored === undefined) throw notFound(NAMESPACES, namespace);
      // Most namespaces are not going: their phase is an index, so that they need not be parsed.
      if (stored.fields["status.phase"] === "Active") return;
      const { deletionTimestamp } =
        parseObject<{ metadata: { name: string; deletionTimestamp?: string } }>(stored).metadata;
      if (deletionTimestamp !== undefined) throw terminating(request, deletionTimestamp);
    },
    validate(request) {
      if (request.operation !== "DELETE" || !concerns(request, "", "namespaces")) return;
      if (IMMORTAL.includes(request.name)) {
        throw forbidden(NAMESPACES, request.name, "this namespace may not be deleted");
      }
    },
  };
}

function terminating({ resource, namespace, name }: AdmissionRequest, since: string): StatusError {
  const refusal = forbidden(
    resource,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
  );
  refusal.status.details = {
    ...refusal.status.details,
    causes: [{
      reason: "NamespaceTerminating",
      message: `namespace ${namespace} is being terminated since ${since}`,
      field: "metadata.namespace",
    }],
  };
  return refusal;
}
