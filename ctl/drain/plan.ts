/** Which pods leave a node when it is drained, and what stands in the way. Pure. */
import { controllerOf, isTerminal, type Pod } from "@k3ts/model/objects";

export interface DrainOptions {
  ignoreDaemonSets: boolean;
  deleteEmptyDirData: boolean;
  force: boolean;
  /** Pods that have been on their way out for longer are not waited for. Seconds; 0: all are. */
  skipWaitForDeleteSeconds: number;
}

export interface DrainPlan {
  /** To evict. */
  leave: Pod[];
  /** What a person should know. */
  warnings: string[];
  /** What a person must decide first. Where there is one nothing is to be done. */
  problems: string[];
}

type Verdict =
  | { type: "leave"; warning?: string }
  | { type: "stay"; warning?: string }
  | { type: "refuse"; problem: string };

/**
 * @param daemonSets of all namespaces: `namespace/name`
 * @param now ms since the epoch
 */
export function planDrain(
  pods: readonly Pod[],
  daemonSets: ReadonlySet<string>,
  options: DrainOptions,
  now: number,
): DrainPlan {
  const leave: Pod[] = [];
  const warnings = new Map<string, string[]>();
  const problems = new Map<string, string[]>();
  const note = (to: Map<string, string[]>, what: string, pod: Pod) => {
    to.set(what, [...to.get(what) ?? [], `${pod.metadata.namespace}/${pod.metadata.name}`]);
  };
  for (const pod of pods) {
    const verdict = judge(pod, daemonSets, options, now);
    if (verdict.type === "refuse") note(problems, verdict.problem, pod);
    else {
      if (verdict.warning !== undefined) note(warnings, verdict.warning, pod);
      if (verdict.type === "leave") leave.push(pod);
    }
  }
  const lines = (notes: Map<string, string[]>) => [...notes].map(([what, names]) => `${what}: ${names.join(", ")}`);
  return { leave, warnings: lines(warnings), problems: lines(problems) };
}

function judge(pod: Pod, daemonSets: ReadonlySet<string>, options: DrainOptions, now: number): Verdict {
  const { annotations = {}, deletionTimestamp, namespace } = pod.metadata;
  const skipped = options.skipWaitForDeleteSeconds;
  if (skipped > 0 && deletionTimestamp !== undefined && now - Date.parse(deletionTimestamp) > skipped * 1000) {
    return { type: "stay" };
  }
  // Only its node's kubelet, which has it from a file, can end it.
  if (annotations["kubernetes.io/config.mirror"] !== undefined) return { type: "stay" };
  if (isTerminal(pod)) return { type: "leave" };
  const owner = controllerOf(pod);
  if (owner?.kind === "DaemonSet") {
    if (!daemonSets.has(`${namespace}/${owner.name}`)) {
      return options.force
        ? { type: "leave", warning: "deleting Pods whose DaemonSet is gone" }
        : { type: "refuse", problem: "cannot delete Pods whose DaemonSet is gone (use --force to override)" };
    }
    // It tolerates that the node takes no pods, and so would come back at once.
    return options.ignoreDaemonSets
      ? { type: "stay", warning: "ignoring DaemonSet-managed Pods" }
      : { type: "refuse", problem: "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)" };
  }
  const hasLocalStorage = pod.spec.volumes?.some(({ emptyDir }) => emptyDir !== undefined) ?? false;
  if (hasLocalStorage && !options.deleteEmptyDirData) {
    return {
      type: "refuse",
      problem: "cannot delete Pods with local storage (use --delete-emptydir-data to override)",
    };
  }
  if (owner === undefined && !options.force) {
    return { type: "refuse", problem: "cannot delete Pods that declare no controller (use --force to override)" };
  }
  if (owner === undefined) return { type: "leave", warning: "deleting Pods that declare no controller" };
  return hasLocalStorage ? { type: "leave", warning: "deleting Pods with local storage" } : { type: "leave" };
}
