import type { ApiObject, FieldError } from "@k3ts/model";
import type { ServedResource } from "../resources.ts";
import { invalid } from "../status.ts";

/** @throws {StatusError} 422 with every cause */
export function refuseIfInvalid(resource: ServedResource, object: ApiObject, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid(resource, object.metadata.name, errors);
}
