/** Every peer and how it is made. */
import { ROOT } from "../paths.ts";
import { CARGO_VERSIONS, DEBIAN_VERSIONS, GO_VERSIONS } from "./versions.ts";

/** A program of a published Go module. Programs of one module and version are built from the same sources. */
export interface GoPeer {
  kind: "go";
  version: string;
  /** The file's name without its version, where the peer's name is more. @default the peer's name */
  program?: string;
  module: string;
  /** Import path. */
  package: string;
  /** The package's tests are the program. */
  isTest?: true;
  /** Compiled with the C compiler, as its makers do. */
  cgo?: true;
  /** Variables that its makers set when they link it. */
  variables?: Record<string, string>;
  check: Check;
}

/** Our own program in Go, whose version is what its sources hash to. */
export interface OwnGoPeer {
  kind: "own-go";
  folder: string;
  check: Check;
}

/** Files out of a published Go module, one after the other: YAML documents. */
export interface GoFilesPeer {
  kind: "go-files";
  version: string;
  module: string;
  files: readonly string[];
}

/** A program of a published crate, both of which are called as the peer is. */
export interface CargoPeer {
  kind: "cargo";
  version: string;
  features: readonly string[];
  /** For the compiler. */
  flags?: readonly string[];
  /** A library in C that it is linked with, by its name for pkg-config. */
  library?: string;
  check: Check;
}

/** A program of the distribution. */
export interface DebianPeer {
  kind: "debian";
  version: string;
  package: string;
  program: string;
}

/** How a program that was just built is run, and what it must say. It ends by itself, whatever its exit code. */
export interface Check {
  args: readonly string[];
  says: string;
}

export type Peer = GoPeer | OwnGoPeer | GoFilesPeer | CargoPeer | DebianPeer;
export type PeerName =
  | keyof typeof GO_VERSIONS
  | keyof typeof CARGO_VERSIONS
  | keyof typeof DEBIAN_VERSIONS
  | "kbench"
  | "agnhost-coredns";

const KUBERNETES = "k8s.io/kubernetes";

export const PEERS: Readonly<Record<PeerName, Peer>> = {
  "kubectl-1.34": kubectl("kubectl-1.34"),
  "kubectl-1.35": kubectl("kubectl-1.35"),
  "kubectl-1.36": kubectl("kubectl-1.36"),
  "kube-apiserver": kubernetes("kube-apiserver", "cmd/kube-apiserver"),
  "kube-controller-manager": kubernetes("kube-controller-manager", "cmd/kube-controller-manager"),
  "kube-scheduler": kubernetes("kube-scheduler", "cmd/kube-scheduler"),
  "kube-proxy": kubernetes("kube-proxy", "cmd/kube-proxy"),
  "e2e.test": { ...kubernetes("e2e.test", "test/e2e"), isTest: true },
  ginkgo: {
    kind: "go",
    version: GO_VERSIONS.ginkgo,
    module: KUBERNETES,
    package: "github.com/onsi/ginkgo/v2/ginkgo",
    check: { args: ["version"], says: "Ginkgo Version 2." },
  },
  agnhost: {
    ...kubernetes("agnhost", "test/images/agnhost"),
    check: { args: ["--help"], says: "netexec" },
  },
  etcd: etcd("etcd", "server", { args: ["--version"], says: `etcd Version: ${GO_VERSIONS.etcd}` }),
  etcdctl: etcd("etcdctl", "etcdctl", { args: ["version"], says: `etcdctl version: ${GO_VERSIONS.etcdctl}` }),
  kine: {
    kind: "go",
    version: GO_VERSIONS.kine,
    module: "github.com/k3s-io/kine",
    package: "github.com/k3s-io/kine",
    cgo: true,
    variables: { "github.com/k3s-io/kine/pkg/version.Version": `v${GO_VERSIONS.kine}` },
    check: { args: ["--version"], says: `v${GO_VERSIONS.kine}` },
  },
  kwok: {
    kind: "go",
    version: GO_VERSIONS.kwok,
    module: "sigs.k8s.io/kwok",
    package: "sigs.k8s.io/kwok/cmd/kwok",
    check: { args: ["--version"], says: GO_VERSIONS.kwok },
  },
  "kwok-stages": {
    kind: "go-files",
    version: GO_VERSIONS["kwok-stages"],
    module: "sigs.k8s.io/kwok",
    files: [
      "kustomize/stage/node/fast/node-initialize.yaml",
      "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
      "kustomize/stage/pod/fast/pod-ready.yaml",
      "kustomize/stage/pod/fast/pod-complete.yaml",
      "kustomize/stage/pod/fast/pod-delete.yaml",
    ],
  },
  "helm-3": helm("helm-3", "helm.sh/helm/v3"),
  "helm-4": helm("helm-4", "helm.sh/helm/v4"),
  coredns: {
    kind: "go",
    version: GO_VERSIONS.coredns,
    module: "github.com/coredns/coredns",
    package: "github.com/coredns/coredns",
    check: { args: ["-version"], says: `CoreDNS-${GO_VERSIONS.coredns}` },
  },
  "kube-state-metrics": {
    kind: "go",
    version: GO_VERSIONS["kube-state-metrics"],
    module: "k8s.io/kube-state-metrics/v2",
    package: "k8s.io/kube-state-metrics/v2",
    variables: { "github.com/prometheus/common/version.Version": `v${GO_VERSIONS["kube-state-metrics"]}` },
    check: { args: ["version"], says: `v${GO_VERSIONS["kube-state-metrics"]}` },
  },
  versitygw: {
    kind: "go",
    version: GO_VERSIONS.versitygw,
    module: "github.com/versity/versitygw",
    package: "github.com/versity/versitygw/cmd/versitygw",
    variables: { "main.Version": `v${GO_VERSIONS.versitygw}` },
    check: { args: ["--version"], says: `v${GO_VERSIONS.versitygw}` },
  },
  "sample-apiserver": {
    kind: "go",
    version: GO_VERSIONS["sample-apiserver"],
    module: "k8s.io/sample-apiserver",
    package: "k8s.io/sample-apiserver",
    check: { args: ["--help"], says: "--etcd-servers" },
  },
  // Of the images: CoreDNS as agnhost has it, without what only clusters need.
  "agnhost-coredns": {
    kind: "own-go",
    folder: `${ROOT}/tools/images/coredns`,
    check: { args: ["-version"], says: "CoreDNS-" },
  },
  kbench: { kind: "own-go", folder: `${ROOT}/tools/peers/kbench`, check: { args: ["-help"], says: "-kubeconfig" } },
  youki: {
    kind: "cargo",
    version: CARGO_VERSIONS.youki,
    features: ["v1", "v2", "seccomp"],
    // Programs of Rust ignore SIGPIPE, which containers would inherit (rust-lang/rust#62569).
    flags: ["-Zon-broken-pipe=inherit"],
    library: "libseccomp",
    check: { args: ["--version"], says: `youki version: ${CARGO_VERSIONS.youki}` },
  },
  nginx: debian("nginx", "nginx"),
  haproxy: debian("haproxy", "haproxy"),
  dnsperf: debian("dnsperf", "dnsperf"),
  wrk: debian("wrk", "wrk"),
  iperf3: debian("iperf3", "iperf3"),
  h2load: debian("h2load", "nghttp2-client"),
  skopeo: debian("skopeo", "skopeo"),
  umoci: debian("umoci", "umoci"),
  mmdebstrap: debian("mmdebstrap", "mmdebstrap"),
  runc: debian("runc", "runc"),
  crun: debian("crun", "crun"),
};

export const PEER_NAMES: readonly PeerName[] = Object.keys(PEERS) as PeerName[];

function kubectl(name: "kubectl-1.34" | "kubectl-1.35" | "kubectl-1.36"): GoPeer {
  return {
    ...kubernetes(name, "cmd/kubectl"),
    program: "kubectl",
    check: { args: ["version", "--client"], says: `v${GO_VERSIONS[name]}` },
  };
}

function kubernetes(name: keyof typeof GO_VERSIONS, path: string): GoPeer {
  const version = GO_VERSIONS[name];
  const [major, minor] = version.split(".") as [string, string];
  const facts = {
    gitVersion: `v${version}`,
    gitMajor: major,
    gitMinor: minor,
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
  };
  return {
    kind: "go",
    version,
    module: KUBERNETES,
    package: `${KUBERNETES}/${path}`,
    variables: Object.fromEntries(
      ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
        .flatMap((place) => Object.entries(facts).map(([fact, value]) => [`${place}.${fact}`, value])),
    ),
    check: { args: ["--version"], says: `v${version}` },
  };
}

function etcd(name: "etcd" | "etcdctl", part: string, check: Check): GoPeer {
  const module = `go.etcd.io/etcd/${part}/v3`;
  return { kind: "go", version: GO_VERSIONS[name], module, package: module, check };
}

function helm(name: "helm-3" | "helm-4", module: string): GoPeer {
  const version = GO_VERSIONS[name];
  return {
    kind: "go",
    version,
    program: "helm",
    module,
    package: `${module}/cmd/helm`,
    variables: { [`${module}/internal/version.version`]: `v${version}` },
    check: { args: ["version", "--short"], says: `v${version}` },
  };
}

function debian(program: keyof typeof DEBIAN_VERSIONS, name: string): DebianPeer {
  return { kind: "debian", version: DEBIAN_VERSIONS[program], package: name, program };
}
