/** The parameters of a request's URL, as the options of Kubernetes's verbs. Pure. */
import { badRequest, type DeleteOptions, invalid } from "@k3ts/api";
import type { FieldValidation } from "@k3ts/model";

export function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value === "" || value === "true" || value === "1" || value === "True" || value === "TRUE";
}

/** @throws {StatusError} 400 when it is no whole number */
export function wholeNumber(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === "") return undefined;
  const value = /^[-+]?\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(value)) return value;
  throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
}

export function selectionOf(query: URLSearchParams): { labelSelector: string; fieldSelector: string } {
  return { labelSelector: query.get("labelSelector") ?? "", fieldSelector: query.get("fieldSelector") ?? "" };
}

/** @throws {StatusError} 422 */
export function dryRunOf(query: URLSearchParams): boolean {
  const values = query.getAll("dryRun");
  for (const value of values) if (value !== "All") throw unsupported("dryRun", value, ["All"]);
  return values.length > 0;
}

/** @throws {StatusError} 422 */
export function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const value = query.get("fieldValidation") || "Warn";
  if (value === "Ignore" || value === "Warn" || value === "Strict") return value;
  throw unsupported("fieldValidation", value, ["Ignore", "Strict", "Warn"]);
}

/** What a delete is told in the URL; what its body says comes first. @throws {StatusError} 400 */
export function deleteOptionsOf(query: URLSearchParams, body: DeleteOptions): DeleteOptions {
  const gracePeriodSeconds = body.gracePeriodSeconds ?? wholeNumber(query, "gracePeriodSeconds");
  const propagationPolicy = body.propagationPolicy ?? query.get("propagationPolicy") ?? undefined;
  const known = ["Orphan", "Background", "Foreground"];
  if (propagationPolicy !== undefined && !known.includes(propagationPolicy)) {
    throw unsupported("propagationPolicy", propagationPolicy, known);
  }
  const dryRun = body.dryRun ?? (dryRunOf(query) ? ["All"] : []);
  for (const value of dryRun) if (value !== "All") throw unsupported("dryRun", value, ["All"]);
  const orphan = query.get("orphanDependents");
  const orphanDependents = body.orphanDependents ?? (orphan === null ? undefined : orphan === "true");
  return {
    ...(gracePeriodSeconds !== undefined && { gracePeriodSeconds }),
    ...(propagationPolicy !== undefined && {
      propagationPolicy: propagationPolicy as NonNullable<DeleteOptions["propagationPolicy"]>,
    }),
    ...(orphanDependents !== undefined && { orphanDependents }),
    ...(body.preconditions !== undefined && { preconditions: body.preconditions }),
    dryRun,
  };
}

function unsupported(field: string, value: string, supported: readonly string[]) {
  const list = supported.map((one) => JSON.stringify(one)).join(", ");
  return invalid({ group: "meta.k8s.io", kind: "Options" }, "", [{
    type: "FieldValueNotSupported",
    field,
    body: `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`,
  }]);
}
