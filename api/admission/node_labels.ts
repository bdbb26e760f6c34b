/**
 * Which labels a node may give itself: any but those by which work is steered to nodes.
 * Source: k8s.io/kubelet `pkg/apis/well_known_labels.go` and kubernetes.io, "NodeRestriction".
 */
const OWN: ReadonlySet<string> = new Set([
  "kubernetes.io/hostname",
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
]);

type Labels = Readonly<Record<string, string>>;

/** The changed labels that are not the node's to change, sorted. */
export function forbiddenNodeLabels(labels: Labels = {}, before: Labels = {}): string[] {
  const keys = new Set([...Object.keys(labels), ...Object.keys(before)]);
  return [...keys].filter((key) => labels[key] !== before[key] && !isOwn(key)).sort();
}

function isOwn(key: string): boolean {
  const slash = key.indexOf("/");
  const namespace = slash < 0 ? "" : key.slice(0, slash);
  if (isWithin(namespace, "node-restriction.kubernetes.io")) return false;
  if (!isWithin(namespace, "kubernetes.io") && !isWithin(namespace, "k8s.io")) return true;
  return OWN.has(key) || isWithin(namespace, "kubelet.kubernetes.io") || isWithin(namespace, "node.kubernetes.io");
}

function isWithin(namespace: string, domain: string): boolean {
  return namespace === domain || namespace.endsWith(`.${domain}`);
}
