/** From what a request carries to who sent it. */
import { unauthorized } from "../status.ts";
import { type Existence, type ServiceAccountTokens, TokenRefused, userOfToken } from "./service_account_tokens.ts";
import { ANONYMOUS, AUTHENTICATED, authenticatedUser, UNAUTHENTICATED, type User } from "./user.ts";
import type { Action } from "./rules.ts";
import type { Access } from "./access.ts";

/** What the gateway has verified, and what the request says of itself. */
export interface Credentials {
  /** From a client certificate that the cluster's CA has signed. */
  certificate?: { commonName: string; organizations: readonly string[] };
  /** The `Authorization` header. */
  authorization?: string;
  /** Whom the caller wants to be taken for (`Impersonate-User` and its like). */
  impersonate?: { user: string; uid?: string; groups: readonly string[]; extra: Readonly<Record<string, string[]>> };
}

/** @throws {StatusError} 401 for a token that is not good; who brings nothing that could prove anything is anonymous */
export async function authenticate(
  { certificate, authorization }: Credentials,
  tokens: ServiceAccountTokens,
  existence: Existence,
): Promise<User> {
  if (certificate !== undefined && certificate.commonName !== "") {
    return authenticatedUser(certificate.commonName, certificate.organizations);
  }
  const token = /^bearer +(\S+)/i.exec((authorization ?? "").trim())?.[1];
  if (token === undefined) return ANONYMOUS;
  try {
    const claims = await tokens.verify(token);
    if (claims === undefined) throw unauthorized();
    return userOfToken(claims, existence);
  } catch (error) {
    throw error instanceof TokenRefused ? unauthorized() : error;
  }
}

/**
 * The user that a caller asks to be taken for, if it may.
 * @throws {StatusError} 403
 */
export function impersonate(
  caller: User,
  wanted: NonNullable<Credentials["impersonate"]>,
  access: Access,
): User {
  const { user, uid, groups, extra } = wanted;
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user);
  const needed: Action[] = [
    account === null
      ? { verb: "impersonate", group: "", resource: "users", name: user }
      : { verb: "impersonate", group: "", resource: "serviceaccounts", namespace: account[1]!, name: account[2]! },
    ...groups.map((name) => ({ verb: "impersonate", group: "", resource: "groups", name })),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((name) => ({
        verb: "impersonate",
        group: "authentication.k8s.io",
        resource: "userextras",
        subresource: key,
        name,
      }))
    ),
    ...(uid === undefined
      ? []
      : [{ verb: "impersonate", group: "authentication.k8s.io", resource: "uids", name: uid }]),
  ];
  for (const action of needed) access.require(caller, action);
  // Who names no groups for an account means those that it has.
  const named = account === null || groups.length > 0
    ? groups
    : ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`];
  return {
    name: user,
    groups: withStanding(user, named),
    ...(Object.keys(extra).length > 0 && { extra }),
    ...(uid !== undefined && { uid }),
  };
}

/** Everybody has proved who they are or has not; who says so of the other is believed. */
function withStanding(user: string, groups: readonly string[]): readonly string[] {
  if (user === ANONYMOUS.name) return groups.includes(UNAUTHENTICATED) ? groups : [...groups, UNAUTHENTICATED];
  return groups.includes(AUTHENTICATED) || groups.includes(UNAUTHENTICATED) ? groups : [...groups, AUTHENTICATED];
}
