/** Lets go of pods whose Job will not count them any more. */
import { controllerOf, type Job, type Pod, resources } from "@k3ts/model/objects";
import { type Controller, controller } from "../../sdk/mod.ts";
import { isFinished } from "./finish.ts";
import { freed } from "./mod.ts";
import { isOurs } from "./plan.ts";
import { isTracked } from "./pods.ts";

export default controller<Pod, { jobs: readonly Job[] }>({
  name: "job-orphans",
  user: "system:serviceaccount:kube-system:job-controller",
  component: "job-controller",
  for: resources.pods,
  maps: {
    jobs: {
      resource: resources.jobs,
      find: (pod, jobs) => {
        const owner = controllerOf(pod);
        const job = owner && jobs.get(pod.metadata.namespace!, owner.name);
        return job === undefined || job.metadata.uid !== owner!.uid ? [] : [job];
      },
      wakes: (job, pods) =>
        pods.list(job.metadata.namespace).filter((pod) =>
          isTracked(pod) && controllerOf(pod)?.uid === job.metadata.uid
        ),
      matters: (job) => isFinished(job),
    },
  },
  when: isTracked,
  plan: ({ object, jobs }) => ({ actions: isOrphan(object, jobs[0]) ? freed(object) : [] }),
}) satisfies Controller;

export function isOrphan(pod: Pod, job: Job | undefined): boolean {
  const owner = controllerOf(pod);
  if (owner === undefined) return true;
  if (owner.kind !== "Job" || owner.apiVersion !== "batch/v1") return false;
  // A Job that is not known may be one that is not known yet.
  if (job === undefined) return pod.metadata.deletionTimestamp !== undefined;
  return isOurs(job) && isFinished(job);
}
