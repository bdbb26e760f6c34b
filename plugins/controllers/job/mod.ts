/** Runs pods until enough of them have succeeded. */
import { type Draft, type Job, type Pod, resources } from "@k3ts/model/objects";
import { type Action, type Controller, controller } from "../../sdk/mod.ts";
import { podOf } from "../pod_template.ts";
import type { NewPod } from "./manage.ts";
import { isOurs, type JobAction, planJob } from "./plan.ts";
import { FAILURES, IGNORED_FAILURES, INDEX, TRACKING } from "./pods.ts";
import { isFinished } from "./finish.ts";

const INDEX_VARIABLE = "JOB_COMPLETION_INDEX";
/** Room for the five characters that the server adds. */
const NAME_PREFIX_LENGTH_MAX = 58;

export default controller<Job, { pods: readonly Pod[] }>({
  name: "job",
  for: resources.jobs,
  owns: { pods: resources.pods },
  selects: { pods: (job) => job.spec.selector },
  when: (job) => isOurs(job) && !isFinished(job),
  plan: ({ object, pods, now }) => {
    const { actions, status, reconsiderAt } = planJob(object, pods, now);
    return { actions: inOrder(actions).flatMap((action) => act(action, object)), status, reconsiderAt };
  },
}) satisfies Controller;

/** What is withdrawn is let go first, so that its end counts for nothing. */
function inOrder(actions: readonly JobAction[]): JobAction[] {
  const released = actions.flatMap((action): JobAction[] =>
    action.do === "withdraw" ? [{ do: "free", pod: action.pod }] : []
  );
  return [...released, ...actions];
}

function act(action: JobAction, job: Job): Action[] {
  const resource = resources.pods;
  switch (action.do) {
    case "adopt":
    case "release":
      return [{ do: action.do, resource, object: action.pod, finalizer: TRACKING }];
    case "create":
      return [{
        do: "create",
        resource,
        object: newPod(job, action.pod),
        tells: { reason: "SuccessfulCreate", message: "Created pod: " },
      }];
    case "free":
      return freed(action.pod);
    case "end":
    case "withdraw": {
      const tells = { reason: "SuccessfulDelete", message: "Deleted pod: " };
      return [{ do: "delete", resource, object: action.pod, because: action.because, tells }];
    }
    case "tell": {
      const { type, reason, message } = action;
      return [{ do: "event", type, reason, message }];
    }
  }
}

/** Its finalizer goes, if it is still there. */
export function freed(pod: Pod): Action[] {
  const { finalizers = [] } = pod.metadata;
  if (!finalizers.includes(TRACKING)) return [];
  const left = finalizers.filter((finalizer) => finalizer !== TRACKING);
  return [{ do: "patch", resource: resources.pods, object: pod, patch: { metadata: { finalizers: left } } }];
}

function newPod(job: Job, { index, failures }: NewPod): Draft<Pod> {
  const pod = podOf(job, resources.jobs, job.spec.template);
  const finalizers = [...new Set([...pod.metadata.finalizers ?? [], TRACKING])];
  if (index === undefined) return { ...pod, metadata: { ...pod.metadata, finalizers } };
  const { metadata, spec } = pod;
  const withIndex = <C extends NonNullable<Pod["spec"]>["containers"][number]>(container: C): C => {
    const env = container.env ?? [];
    if (env.some(({ name }) => name === INDEX_VARIABLE)) return container;
    const valueFrom = { fieldRef: { fieldPath: `metadata.labels['${INDEX}']` } };
    return { ...container, env: [...env, { name: INDEX_VARIABLE, valueFrom }] };
  };
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: prefixOf(job.metadata.name, index),
      finalizers,
      labels: { ...metadata.labels, [INDEX]: String(index) },
      annotations: {
        ...metadata.annotations,
        [INDEX]: String(index),
        ...(failures && { [FAILURES]: String(failures.counted) }),
        ...(failures && failures.ignored > 0 && { [IGNORED_FAILURES]: String(failures.ignored) }),
      },
    },
    spec: {
      ...spec!,
      hostname: `${job.metadata.name}-${index}`,
      containers: spec!.containers.map(withIndex),
      ...(spec!.initContainers && { initContainers: spec!.initContainers.map(withIndex) }),
    },
  };
}

function prefixOf(name: string, index: number): string {
  const suffix = `-${index}-`;
  return `${name.slice(0, NAME_PREFIX_LENGTH_MAX - suffix.length)}${suffix}`;
}
