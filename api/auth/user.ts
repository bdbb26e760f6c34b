/** Who asks. */
export interface User {
  name: string;
  uid?: string;
  groups: readonly string[];
  extra?: Readonly<Record<string, readonly string[]>>;
}

export const MASTERS = "system:masters";
export const AUTHENTICATED = "system:authenticated";
export const UNAUTHENTICATED = "system:unauthenticated";
const SERVICE_ACCOUNT = "system:serviceaccount:";
const NODE = "system:node:";
const NODES = "system:nodes";

export const ANONYMOUS: User = { name: "system:anonymous", groups: [UNAUTHENTICATED] };

/** Somebody who has proved who they are, by certificate or otherwise. */
export function authenticatedUser(name: string, groups: readonly string[], extra?: User["extra"]): User {
  const all = groups.includes(AUTHENTICATED) ? groups : [...groups, AUTHENTICATED];
  return { name, groups: all, ...(extra !== undefined && { extra }) };
}

/** A service account, as user and groups. */
export function serviceAccountUser(namespace: string, name: string, uid?: string, extra?: User["extra"]): User {
  return {
    name: `${SERVICE_ACCOUNT}${namespace}:${name}`,
    ...(uid !== undefined && { uid }),
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, AUTHENTICATED],
    ...(extra !== undefined && { extra }),
  };
}

/** The node that a user is; empty for one that cannot be told, undefined for everybody else. */
export function nodeNameOf({ name, groups }: User): string | undefined {
  return name.startsWith(NODE) && groups.includes(NODES) ? name.slice(NODE.length) : undefined;
}

/** The service account that a user is. */
export function serviceAccountOf(user: User): { namespace: string; name: string } | undefined {
  if (!user.name.startsWith(SERVICE_ACCOUNT)) return undefined;
  const [namespace, name, ...rest] = user.name.slice(SERVICE_ACCOUNT.length).split(":");
  return namespace && name && rest.length === 0 ? { namespace, name } : undefined;
}
