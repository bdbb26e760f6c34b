/** Deletes Jobs some time after they have ended (KEP-592). */
import { type Job, parseTime, resources } from "@k3ts/model/objects";
import { type Controller, controller, type Plan, REST } from "../sdk/mod.ts";

export default controller<Job>({
  name: "ttl-after-finished",
  for: resources.jobs,
  when: ({ spec, metadata }) => spec.ttlSecondsAfterFinished !== undefined && metadata.deletionTimestamp === undefined,
  plan: ({ object, now }) => planEnd(object, now),
}) satisfies Controller;

export function planEnd(job: Job, now: number): Plan {
  const end = (job.status?.conditions ?? []).find(({ type, status }) =>
    (type === "Complete" || type === "Failed") && status === "True"
  );
  const seconds = job.spec.ttlSecondsAfterFinished;
  if (end?.lastTransitionTime === undefined || seconds === undefined) return REST;
  const at = parseTime(end.lastTransitionTime) + seconds * 1000;
  if (now < at) return { actions: [], reconsiderAt: at };
  const because = `it ended ${seconds} s ago or more`;
  return { actions: [{ do: "delete", resource: resources.jobs, object: job, because, propagation: "Foreground" }] };
}
