/** Takes back what pods say of their eviction where nothing has come of it (KEP-3329). */
import {
  findCondition,
  formatTime,
  isTerminal,
  mergeConditions,
  parseTime,
  type Pod,
  type PodCondition,
  resources,
} from "@k3ts/model/objects";
import { type Controller, controller, type Plan, REST } from "../../sdk/mod.ts";

const STALE_MS = 120_000;

export default controller<Pod>({
  name: "stale-disruption",
  user: "system:serviceaccount:kube-system:disruption-controller",
  component: "disruption-controller",
  for: resources.pods,
  when: (pod) => disruptionOf(pod) !== undefined,
  plan: ({ object, now }) => planStale(object, now),
}) satisfies Controller;

export function planStale(pod: Pod, now: number): Plan {
  const condition = disruptionOf(pod);
  if (condition === undefined) return REST;
  const at = parseTime(condition.lastTransitionTime ?? "") + STALE_MS;
  if (now < at) return { actions: [], reconsiderAt: at };
  const over: PodCondition = { type: "DisruptionTarget", status: "False" };
  const others = (pod.status?.conditions ?? []).map((each) => each === condition ? bare(each) : each);
  return {
    actions: [],
    status: { ...pod.status, conditions: mergeConditions<PodCondition>(others, [over], formatTime(now)) },
  };
}

/** That it is to go, while it has not been told to. What its node says stands until it is over. */
function disruptionOf({ metadata, status, ...pod }: Pod): PodCondition | undefined {
  const condition = findCondition(status?.conditions, "DisruptionTarget");
  const isStanding = condition?.status !== "True" || condition.reason === "TerminationByKubelet" ||
    metadata.deletionTimestamp !== undefined || isTerminal({ metadata, status, ...pod });
  return isStanding ? undefined : condition;
}

/** Without why. */
function bare({ reason: _, message: __, ...condition }: PodCondition): PodCondition {
  return condition;
}
