/** Files that every container of a pod sees (Kubernetes documentation: "DNS for Services and Pods", "HostAliases"). Pure. */
import type { Pod } from "@k3ts/model/objects";

export interface ClusterDns {
  address: string;
  domain: string;
}

const SEARCHES_MAX = 32;

/** RFC 1123 label, at most 63 characters: longer names are cut. */
export function hostnameOf(pod: Pod): string {
  const name = pod.spec?.hostname || pod.metadata.name;
  return name.slice(0, 63).replace(/[-.]+$/, "");
}

/** What the kernel is told, and `hostname` says: the short name, or the whole one where the pod asks for that. */
export function kernelHostnameOf(pod: Pod, domain: string): string {
  if (pod.spec?.hostnameOverride) return pod.spec.hostnameOverride;
  if (pod.spec?.setHostnameAsFQDN !== true) return hostnameOf(pod);
  const whole = qualifiedNameOf(pod, domain);
  if (whole.length > HOSTNAME_BYTES_MAX) {
    throw new Error(
      `Failed to construct FQDN from Pod hostname and cluster domain, FQDN ${whole} is too long (${HOSTNAME_BYTES_MAX} characters is the max, ${whole.length} characters requested)`,
    );
  }
  return whole;
}

/** As Linux has it. */
const HOSTNAME_BYTES_MAX = 64;

function qualifiedNameOf(pod: Pod, domain: string): string {
  const subdomain = pod.spec?.subdomain;
  const host = hostnameOf(pod);
  return subdomain ? `${host}.${subdomain}.${pod.metadata.namespace ?? "default"}.svc.${domain}` : host;
}

export function hostsFile(pod: Pod, address: string | undefined, domain: string): string {
  const qualified = qualifiedNameOf(pod, domain);
  const host = hostnameOf(pod);
  const lines = [
    "# Kubernetes-managed hosts file.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "fe00::0\tip6-mcastprefix",
    "fe00::1\tip6-allnodes",
    "fe00::2\tip6-allrouters",
    ...(address === undefined ? [] : [`${address}\t${qualified === host ? host : `${qualified}\t${host}`}`]),
    ...aliases(pod),
  ];
  return `${lines.join("\n")}\n`;
}

/** The machine's own hosts file, for a pod on its network. */
export function withAliases(hosts: string, pod: Pod): string {
  const extra = aliases(pod);
  return extra.length === 0 ? hosts : `${hosts.replace(/\n?$/, "\n")}${extra.join("\n")}\n`;
}

function aliases(pod: Pod): string[] {
  const all = pod.spec?.hostAliases ?? [];
  if (all.length === 0) return [];
  return ["", "# Entries added by HostAliases.", ...all.map((one) => `${one.ip}\t${(one.hostnames ?? []).join("\t")}`)];
}

/** @param hostFile the node's own /etc/resolv.conf */
export function resolvConf(pod: Pod, hostFile: string, dns: ClusterDns): string {
  const policy = pod.spec?.dnsPolicy ?? "ClusterFirst";
  const inCluster = policy === "ClusterFirstWithHostNet" ||
    (policy === "ClusterFirst" && pod.spec?.hostNetwork !== true);
  const host = parseResolvConf(hostFile);
  const base = policy === "None" ? { nameservers: [], searches: [], options: [] } : inCluster
    ? {
      nameservers: [dns.address],
      // The pod's namespace first; the node's own list last.
      searches: [
        `${pod.metadata.namespace ?? "default"}.svc.${dns.domain}`,
        `svc.${dns.domain}`,
        dns.domain,
        ...host.searches,
      ],
      options: ["ndots:5"],
    }
    : host;
  const asked = pod.spec?.dnsConfig;
  const options = new Map(base.options.map((one) => [one.split(":")[0]!, one]));
  for (const one of asked?.options ?? []) {
    if (one.name !== undefined) options.set(one.name, one.value ? `${one.name}:${one.value}` : one.name);
  }
  const nameservers = unique([...base.nameservers, ...(asked?.nameservers ?? [])]).slice(0, 3);
  const searches = unique([...base.searches, ...(asked?.searches ?? [])]).slice(0, SEARCHES_MAX);
  return [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...nameservers.map((one) => `nameserver ${one}`),
    ...(options.size > 0 ? [`options ${[...options.values()].join(" ")}`] : []),
    "",
  ].join("\n");
}

export interface ResolvConf {
  nameservers: string[];
  searches: string[];
  options: string[];
}

/** resolv.conf(5): the last `search` or `domain` line counts. */
export function parseResolvConf(text: string): ResolvConf {
  const found: ResolvConf = { nameservers: [], searches: [], options: [] };
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.replace(/[#;].*$/, "").trim().split(/\s+/);
    if (word === "nameserver" && rest[0] !== undefined) found.nameservers.push(rest[0]);
    if (word === "search" || word === "domain") found.searches = rest.filter((one) => one !== ".");
    if (word === "options") found.options.push(...rest);
  }
  return found;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
