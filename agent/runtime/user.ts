/**
 * Who a container's process is: the pod's security context over the image's USER, names looked up in the image's
 * own passwd and group files. Pure.
 */
import type { Container, Pod } from "@k3ts/model/objects";
import { ConfigError } from "../pods/config_error.ts";
import type { OciUser } from "./oci.ts";

export interface Accounts {
  /** Text of the image's /etc/passwd; empty when it has none. */
  passwd: string;
  group: string;
}

export function userOf(
  pod: Pod,
  container: Container,
  imageUser: string,
  accounts: Accounts,
): OciUser & { home: string } {
  const own = container.securityContext;
  const shared = pod.spec?.securityContext;
  const given = own?.runAsUser ?? shared?.runAsUser;
  const group = own?.runAsGroup ?? shared?.runAsGroup;
  const found = lookUp(given === undefined ? imageUser : String(given), accounts);
  if ((own?.runAsNonRoot ?? shared?.runAsNonRoot) === true) refuseRoot(pod, container, given, imageUser);
  // Strict: only the groups that the pod names, whatever the image says (KEP-3619).
  const extra = new Set(shared?.supplementalGroupsPolicy === "Strict" ? [] : found.groups);
  for (const one of shared?.supplementalGroups ?? []) extra.add(one);
  if (shared?.fsGroup !== undefined) extra.add(shared.fsGroup);
  return {
    uid: found.uid,
    gid: group ?? found.gid,
    additionalGids: [...extra].sort((a, b) => a - b),
    home: found.home,
  };
}

/** Where an image names its user, nobody can tell who that is: it might be root after all. */
function refuseRoot(pod: Pod, container: Container, given: number | undefined, imageUser: string): void {
  const { name, namespace, uid } = pod.metadata;
  const where = `(pod: "${name}_${namespace ?? "default"}(${uid})", container: ${container.name})`;
  if (given === 0) throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`);
  if (given !== undefined) return;
  const user = imageUser.split(":")[0]!;
  if (user === "" || Number(user) === 0) {
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`);
  }
  if (!/^\d+$/.test(user)) {
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root ${where}`,
    );
  }
}

interface Found {
  uid: number;
  gid: number;
  groups: number[];
  home: string;
}

/** `user`, `user:group`, names or numbers (OCI image specification: config.User). */
function lookUp(user: string, { passwd, group }: Accounts): Found {
  const [name = "", groupName] = user.split(":");
  const rows = passwd.split("\n").map((line) => line.split(":"));
  const wanted = name === "" ? "0" : name;
  const row = rows.find((one) => one[0] === wanted || one[2] === wanted);
  if (row === undefined && !/^\d+$/.test(wanted)) {
    throw new ConfigError(`Cannot run as user "${wanted}" as the image's /etc/passwd must name it`);
  }
  const groupRows = group.split("\n").map((line) => line.split(":"));
  const groupRow = groupRows.find((one) => one[0] === groupName || one[2] === groupName);
  if (groupName !== undefined && groupRow === undefined && !/^\d+$/.test(groupName)) {
    throw new ConfigError(`Cannot run as group "${groupName}" as the image's /etc/group must name it`);
  }
  const member = row?.[0];
  // A group that is given replaces the memberships, as in Docker.
  const groups = groupName !== undefined || member === undefined
    ? []
    : groupRows.filter((one) => one[3]?.split(",").includes(member)).map((one) => Number(one[2]));
  return {
    uid: row === undefined ? Number(wanted) : Number(row[2]),
    gid: groupName !== undefined ? Number(groupRow?.[2] ?? groupName) : Number(row?.[3] ?? 0),
    groups: groups.filter(Number.isInteger),
    home: row?.[5] || "/",
  };
}
