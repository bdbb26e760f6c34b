/**
 * What builds take of the disk: MB (10^6 bytes), rounded up. Summed up from the sizes of the compiled packages and of
 * the modules of each program, both unpacked and as they are fetched, with what the linker writes.
 */
import type { PeerName } from "./table.ts";
import { GO_VERSIONS } from "./versions.ts";

/** Made alone, from nothing: modules, compiled packages and the program. Of packages what apt-get says. */
export const ALONE_MB: Readonly<Record<PeerName, number>> = {
  "kubectl-1.34": 1500,
  "kubectl-1.35": 1500,
  "kubectl-1.36": 1500,
  "kube-apiserver": 3000,
  "kube-controller-manager": 3600,
  "kube-scheduler": 2300,
  "kube-proxy": 2300,
  "e2e.test": 3700,
  ginkgo: 500,
  agnhost: 1300,
  etcd: 900,
  etcdctl: 550,
  kine: 1800,
  kwok: 1500,
  "kwok-stages": 50,
  "helm-3": 1700,
  "helm-4": 1900,
  coredns: 3000,
  "kube-state-metrics": 1500,
  versitygw: 1000,
  "sample-apiserver": 1500,
  "agnhost-coredns": 1000,
  kbench: 900,
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
  [`k8s.io/kubernetes ${GO_VERSIONS["kube-apiserver"]}`, 5500],
]);
