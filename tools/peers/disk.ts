/** What builds take of the disk, as measured with `du` around each: MB (10^6 bytes), rounded up. */
import type { PeerName } from "./table.ts";

/** Made alone, from nothing: modules, compiled packages and the program. Of packages what apt-get says. */
export const ALONE_MB: Readonly<Record<PeerName, number>> = {
  "kubectl-1.34": 1500,
  "kubectl-1.35": 1500,
  "kubectl-1.36": 1500,
  "kube-apiserver": 2000,
  "kube-controller-manager": 2000,
  "kube-scheduler": 2000,
  "kube-proxy": 2000,
  "e2e.test": 3000,
  ginkgo: 500,
  agnhost: 1500,
  etcd: 1000,
  etcdctl: 1000,
  kine: 1000,
  kwok: 1000,
  "kwok-stages": 100,
  "helm-3": 1000,
  "helm-4": 1000,
  coredns: 1500,
  "kube-state-metrics": 1000,
  versitygw: 1000,
  "sample-apiserver": 1500,
  "agnhost-coredns": 1000,
  kbench: 1000,
  youki: 1000,
  nginx: 10,
  haproxy: 10,
  dnsperf: 10,
  wrk: 10,
  iperf3: 10,
  h2load: 10,
  skopeo: 50,
  umoci: 10,
  mmdebstrap: 10,
  runc: 10,
  crun: 10,
};

/** All peers of a source together, from nothing. */
export const TOGETHER_MB: ReadonlyMap<string, number> = new Map([
  ["k8s.io/kubernetes 1.35.4", 6000],
]);
