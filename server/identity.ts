/** Who sent a request: what the gateway has verified, and what the request says of itself. */
import { fromBinary } from "@bufbuild/protobuf";
import { type ApiServer, badRequest, type Credentials, unauthorized, type User } from "@k3ts/api";
import { type VerifiedIdentity, VerifiedIdentitySchema } from "@k3ts/proto";

/** Only the gateway can set it: it takes it off whatever comes from outside. */
export const IDENTITY_HEADER = "k3ts-identity";

/** @throws {StatusError} 401 for credentials that are not good, 403 for an impersonation that is not allowed */
export async function userOf(headers: Headers, server: ApiServer): Promise<User> {
  return await server.authenticate(credentialsOf(headers));
}

export function credentialsOf(headers: Headers): Credentials {
  const identity = headers.get(IDENTITY_HEADER);
  // Whoever reaches this socket without the gateway's word is a mistake, not a user.
  if (identity === null) throw unauthorized();
  const { commonName, organizations, certificateRefused } = readIdentity(identity);
  const authorization = headers.get("authorization");
  if (certificateRefused && authorization === null) throw unauthorized();
  const impersonated = impersonationOf(headers);
  return {
    ...(commonName !== "" && { certificate: { commonName, organizations } }),
    ...(authorization !== null && { authorization }),
    ...(impersonated !== undefined && { impersonate: impersonated }),
  };
}

/** What the gateway did not write is no word of the gateway's. @throws {StatusError} 401 */
function readIdentity(header: string): VerifiedIdentity {
  try {
    return fromBinary(VerifiedIdentitySchema, Uint8Array.fromBase64(header, { alphabet: "base64url" }));
  } catch {
    throw unauthorized();
  }
}

const EXTRA_PREFIX = "impersonate-extra-";

/** (kubernetes.io, "User impersonation") */
function impersonationOf(headers: Headers): Credentials["impersonate"] {
  const user = utf8Of(headers.get("impersonate-user")) ?? "";
  const groups = listOf(utf8Of(headers.get("impersonate-group")));
  const uid = utf8Of(headers.get("impersonate-uid")) ?? "";
  const extra: Record<string, string[]> = {};
  for (const [name, value] of headers) {
    if (name.startsWith(EXTRA_PREFIX)) extra[decodeKey(name.slice(EXTRA_PREFIX.length))] = listOf(utf8Of(value));
  }
  if (user !== "") return { user, groups, extra, ...(uid !== "" && { uid }) };
  const asked = [
    ...groups.map((name) => reference("Group", name)),
    ...Object.entries(extra).flatMap(([key, values]) => values.map((name) => reference("UserExtra", name, key))),
    ...(uid === "" ? [] : [reference("UID", uid)]),
  ];
  if (asked.length > 0) throw badRequest(`requested [${asked.join(" ")}] without impersonating a user`);
  return undefined;
}

/** As Kubernetes shows a core/v1 ObjectReference: kind, namespace, name, uid, apiVersion, resourceVersion, fieldPath. */
function reference(kind: string, name: string, fieldPath = ""): string {
  const apiVersion = kind === "Group" ? "" : "authentication.k8s.io/v1";
  return `{${[kind, "", name, "", apiVersion, "", fieldPath].join(" ")}}`;
}

/** What is no percent-encoding is taken as it is, as Kubernetes does. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/** A header's bytes, which are read as a character each, are UTF-8 where names are meant: clients in Go send them so. */
function utf8Of(value: string | null): string | null {
  return value && new TextDecoder().decode(Uint8Array.from(value, (character) => character.charCodeAt(0)));
}

/** Repeated headers arrive as one, joined by commas. */
function listOf(value: string | null): string[] {
  return value === null ? [] : value.split(",").map((part) => part.trim()).filter((part) => part !== "");
}
