/** What a URL's path is about. Pure. */
import { badRequest } from "@k3ts/api";

export type ApiPath =
  | {
    type: "resource";
    /** `v1`, `apps/v1`. */
    apiVersion: string;
    resource: string;
    /** Empty: all namespaces, or none. */
    namespace: string;
    /** Empty: the collection. */
    name: string;
    subresource: string;
  }
  /** Discovery, health, documents. */
  | { type: "other"; path: string };

/** @param path as in the URL, percent-encoded @throws {StatusError} 400 where that is malformed */
export function parseApiPath(path: string): ApiPath {
  const parts = path.split("/").slice(1).map(decode);
  if (parts.at(-1) === "") parts.pop();
  const core = parts[0] === "api";
  if (!core && parts[0] !== "apis") return { type: "other", path };
  const apiVersion = core ? parts[1] : `${parts[1]}/${parts[2]}`;
  const rest = parts.slice(core ? 2 : 3);
  if (apiVersion === undefined || rest.length === 0) return { type: "other", path };
  return { type: "resource", apiVersion, ...parseRest(rest) };
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw badRequest(`invalid URL escape in ${JSON.stringify(part)}`, { cause });
  }
}

/** A namespace's own subresources, which stand where a resource within it would. */
const OF_NAMESPACES = ["status", "finalize"];

function parseRest(rest: string[]): { resource: string; namespace: string; name: string; subresource: string } {
  if (rest[0] === "namespaces" && rest.length > 2 && !(rest.length === 3 && OF_NAMESPACES.includes(rest[2]!))) {
    const [, namespace, resource, name = "", ...subresource] = rest;
    return { resource: resource!, namespace: namespace!, name, subresource: subresource.join("/") };
  }
  const [resource, name = "", ...subresource] = rest;
  return { resource: resource!, namespace: "", name, subresource: subresource.join("/") };
}
