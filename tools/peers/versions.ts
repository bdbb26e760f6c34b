/** The version of every peer that k3ts is measured against or tested with: the one place where they are pinned. */

/** Go programs, built from their published modules. */
export const GO_VERSIONS = {
  "kubectl-1.34": "1.34.4",
  "kubectl-1.35": "1.35.4",
  "kubectl-1.36": "1.36.3",
  "kube-apiserver": "1.35.4",
  "kube-controller-manager": "1.35.4",
  "kube-scheduler": "1.35.4",
  "kube-proxy": "1.35.4",
  "e2e.test": "1.35.4",
  ginkgo: "1.35.4", // the one that this release of Kubernetes requires
  agnhost: "1.35.4",
  etcd: "3.6.16",
  etcdctl: "3.6.16",
  kine: "0.16.4",
  kwok: "0.8.0",
  "kwok-stages": "0.8.0",
  "helm-3": "3.22.0",
  "helm-4": "4.3.1",
  coredns: "1.15.0",
  "kube-state-metrics": "2.18.0",
  versitygw: "1.8.0",
  "sample-apiserver": "0.29.2",
} as const;

/** Rust programs, built from their published crates. */
export const CARGO_VERSIONS = {
  youki: "0.7.0",
} as const;

/**
 * Packages of Debian 12. A distribution carries one version of each, so another one is used too, and said:
 * figures that were taken with different versions are not comparable.
 */
export const DEBIAN_VERSIONS = {
  nginx: "1.22.1",
  haproxy: "2.6.12",
  dnsperf: "2.10.0",
  wrk: "4.1.0",
  iperf3: "3.12",
  h2load: "1.52.0",
  skopeo: "1.9.3",
  umoci: "0.4.7",
  mmdebstrap: "1.3.5",
  runc: "1.1.5",
  crun: "1.8.1",
} as const;

/** What compiles them, at least. */
export const GO_MINIMUM = "1.26";
