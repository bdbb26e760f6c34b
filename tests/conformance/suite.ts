/** The official suite: one program, which lists its tests and runs those that are asked for. */
import { GO_VERSIONS } from "@k3ts/tools/peers";
import { output } from "@k3ts/tools/run";

export const SUITE_VERSION = GO_VERSIONS["e2e.test"];

export interface Suite {
  /** e2e.test of Kubernetes. */
  program: string;
  kubectl: string;
}

/** Where a test runs: in the network of a machine of the cluster, as the cluster's admin. */
export interface Place {
  /** Of the network. */
  namespace: string;
  kubeconfig: string;
}

/** The names of all conformance tests, in order. */
export async function conformanceTests(suite: Suite): Promise<string[]> {
  return listed(await output([suite.program, "--list-tests"]));
}

/** @param text what `e2e.test --list-tests` says: a place in the sources and a name on each line */
export function listed(text: string): string[] {
  const names = text.split("\n").map((line) => /^\s+\S+\.go:\d+: (.*)$/.exec(line)?.[1] ?? "");
  return names.filter((name) => name.includes("[Conformance]")).sort();
}

/**
 * Runs one test. A process for each costs a second of one core, and leaves no doubt what is running, what came of it
 * and what to end.
 */
export function commandOf(suite: Suite, place: Place, name: string): string[] {
  return [
    "nsenter",
    `--net=/run/netns/${place.namespace}`,
    suite.program,
    "--provider=skeleton",
    `--kubeconfig=${place.kubeconfig}`,
    `--kubectl-path=${suite.kubectl}`,
    // What the suite waits for before its first test: nothing of it takes long in a cluster that is well.
    "--node-schedulable-timeout=2m",
    "--system-pods-startup-timeout=2m",
    "--system-daemonsets-startup-timeout=10s",
    "--ginkgo.v",
    "--ginkgo.no-color",
    "--ginkgo.silence-skips",
    "--ginkgo.timeout=24h",
    // How long a test that is interrupted may clean up.
    "--ginkgo.grace-period=15s",
    `--ginkgo.focus= ${escaped(name)}$`,
  ];
}

/** For Go's regular expressions, which know no `\/`. */
function escaped(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
