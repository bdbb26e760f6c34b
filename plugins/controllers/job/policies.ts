/** When a pod's failure counts (KEP-3329), and when what has succeeded is enough (KEP-3998). */
import type { ContainerStatus, Job, JobSpec, Pod, PodFailurePolicyRule } from "@k3ts/model/objects";
import { countOf, type Indexes, overlap, parseIndexes } from "./intervals.ts";

export interface FailureVerdict {
  /** Towards the limits of the Job. */
  counts: boolean;
  failsIndex: boolean;
  /** Why the whole Job fails. */
  failsJob?: string;
}

/** What the first rule that matches says of a failed pod. */
export function judgeFailure({ podFailurePolicy }: JobSpec, pod: Pod): FailureVerdict {
  for (const [index, rule] of (podFailurePolicy?.rules ?? []).entries()) {
    const why = matchRule(rule, pod);
    if (why === undefined) continue;
    const message = `${why} matching ${rule.action} rule at index ${index}`;
    return {
      counts: rule.action !== "Ignore",
      failsIndex: rule.action === "FailIndex",
      ...(rule.action === "FailJob" && { failsJob: message }),
    };
  }
  return { counts: true, failsIndex: false };
}

function matchRule({ onExitCodes, onPodConditions = [] }: PodFailurePolicyRule, pod: Pod): string | undefined {
  const { name, namespace } = pod.metadata;
  if (onExitCodes !== undefined) {
    const ended = [...pod.status?.containerStatuses ?? [], ...pod.status?.initContainerStatuses ?? []]
      .find((status) => matchExitCode(status, onExitCodes));
    if (ended === undefined) return undefined;
    const code = ended.state!.terminated!.exitCode;
    return `Container ${ended.name} for pod ${namespace}/${name} failed with exit code ${code}`;
  }
  const condition = (pod.status?.conditions ?? []).find(({ type, status }) =>
    onPodConditions.some((pattern) => pattern.type === type && pattern.status === status)
  );
  return condition && `Pod ${namespace}/${name} has condition ${condition.type}`;
}

function matchExitCode(
  { name, state }: ContainerStatus,
  { containerName, operator, values }: NonNullable<PodFailurePolicyRule["onExitCodes"]>,
): boolean {
  const code = state?.terminated?.exitCode ?? 0;
  if (code === 0 || (containerName !== undefined && containerName !== name)) return false;
  return values.includes(code) === (operator === "In");
}

/** @returns which rule is met, in words */
export function judgeSuccess({ spec }: Job, succeeded: Indexes): string | undefined {
  if (succeeded.length === 0) return undefined;
  const met = (spec.successPolicy?.rules ?? []).findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) {
      return succeededCount !== undefined && countOf(succeeded) >= succeededCount;
    }
    const required = parseIndexes(succeededIndexes, spec.completions ?? 0);
    if (required.length === 0) return false;
    const found = overlap(required, succeeded);
    return found === countOf(required) || (succeededCount !== undefined && found >= succeededCount);
  });
  return met === -1 ? undefined : `Matched rules at index ${met}`;
}
