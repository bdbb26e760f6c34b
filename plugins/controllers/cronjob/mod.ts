/** Makes a Job whenever one is due. */
import { type CronJob, type Draft, formatTime, type Job, resources } from "@k3ts/model/objects";
import { isDeepStrictEqual } from "node:util";
import { type Action, type Controller, controller, controllerReference } from "../../sdk/mod.ts";
import { type CronJobAction, planCronJob } from "./plan.ts";

/** When the Job was due. */
const DUE = "batch.kubernetes.io/cronjob-scheduled-timestamp";

export default controller<CronJob, { jobs: readonly Job[] }>({
  name: "cronjob",
  for: resources.cronjobs,
  maps: {
    jobs: {
      resource: resources.jobs,
      find: (cronJob, jobs) => jobs.list(cronJob.metadata.namespace),
      wakes: ({ metadata }, cronJobs) => {
        const owner = metadata.ownerReferences?.find(({ controller, kind }) =>
          controller === true && kind === "CronJob"
        );
        const found = owner && cronJobs.get(metadata.namespace!, owner.name);
        return found === undefined ? [] : [found];
      },
      matters: (now, before) =>
        !isDeepStrictEqual(now.status?.conditions, before.status?.conditions) ||
        now.metadata.deletionTimestamp !== before.metadata.deletionTimestamp,
    },
  },
  plan: ({ object, jobs, now }) => {
    const { actions, status, reconsiderAt } = planCronJob(object, jobs, now);
    return { actions: actions.map((action) => act(action, object)), status, reconsiderAt };
  },
}) satisfies Controller;

function act(action: CronJobAction, cronJob: CronJob): Action {
  const resource = resources.jobs;
  switch (action.do) {
    case "create": {
      const tells = { reason: "SuccessfulCreate", message: "Created job " };
      return { do: "create", resource, object: jobOf(cronJob, action.name, action.due), tells };
    }
    case "delete": {
      const tells = { reason: "SuccessfulDelete", message: "Deleted job " };
      const { job: object, because } = action;
      return { do: "delete", resource, object, because, propagation: "Background", tells };
    }
    case "tell": {
      const { type, reason, message } = action;
      return { do: "event", type, reason, message };
    }
  }
}

/** Named after its time, so that it is made once. */
function jobOf(cronJob: CronJob, name: string, due: number): Draft<Job> {
  const { metadata, spec } = cronJob.spec.jobTemplate;
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: {
      name,
      namespace: cronJob.metadata.namespace,
      labels: metadata?.labels,
      annotations: { ...metadata?.annotations, [DUE]: formatTime(due) },
      ownerReferences: [controllerReference(cronJob, resources.cronjobs)],
    },
    spec: spec!,
  };
}
