/** A Job with its pods, moved one step at a time in any order, as a cluster would. */
import type { Job, JobSpec, Pod } from "@k3ts/model/objects";
import { aJob, aPod } from "@k3ts/model/testing";
import type { NewPod } from "./manage.ts";
import { type JobAction, type JobPlan, planJob } from "./plan.ts";
import { FAILURES, IGNORED_FAILURES, INDEX, TRACKING } from "./pods.ts";

const START = Date.parse("2026-01-01T00:00:00Z");

export class Simulation {
  now = START;
  job: Job;
  pods: Pod[] = [];
  /** Uids of pods that ended while the Job had not, by how; what we took away ourselves is in none. */
  readonly ended = { succeeded: new Set<string>(), failed: new Set<string>() };
  #made = 0;

  constructor(spec: Partial<JobSpec> = {}, template?: Partial<Pod["spec"]>) {
    this.job = aJob({ spec, ...(template && { template }) });
  }

  /**
   * One round of the controller.
   * @param stopAfter as many actions are done; then it is killed, and the status is not written
   */
  plan(stopAfter = Infinity): JobPlan {
    const plan = planJob(this.job, this.pods, this.now);
    const actions = [...plan.actions.filter(({ do: what }) => what === "withdraw"), ...plan.actions];
    for (const [at, action] of actions.entries()) {
      if (at >= stopAfter) return plan;
      // What is withdrawn is let go before it is deleted.
      if (action.do === "withdraw" && at < actions.length - plan.actions.length) {
        this.#carryOut({ do: "free", pod: action.pod });
      } else this.#carryOut(action);
    }
    if (stopAfter === Infinity) this.job = { ...this.job, status: structuredClone(plan.status) };
    return plan;
  }

  /** The pods that could still do something. */
  get running(): Pod[] {
    return this.pods.filter(({ status }) => status?.phase === "Running" || status?.phase === "Pending");
  }

  get active(): Pod[] {
    return this.running.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  }

  end(pod: Pod | undefined, phase: "Succeeded" | "Failed", more: Pod["status"] = {}): void {
    if (pod === undefined) return;
    const finished = new Date(this.now).toISOString();
    const exitCode = phase === "Succeeded" ? 0 : 1;
    this.#replace(pod, {
      ...pod,
      status: {
        phase,
        containerStatuses: [{
          name: "main",
          ready: false,
          restartCount: 0,
          image: "",
          imageID: "",
          state: { terminated: { exitCode, finishedAt: finished } },
        }],
        ...more,
      },
    });
    if (pod.metadata.finalizers?.includes(TRACKING)) {
      this.ended[phase === "Succeeded" ? "succeeded" : "failed"].add(pod.metadata.uid);
    }
    this.#collect();
  }

  /** Somebody deletes a pod; it leaves when it ends. */
  delete(pod: Pod | undefined): void {
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return;
    const deletionTimestamp = new Date(this.now).toISOString();
    this.#replace(pod, { ...pod, metadata: { ...pod.metadata, deletionTimestamp, deletionGracePeriodSeconds: 0 } });
    this.#collect();
  }

  condition(type: string) {
    return this.job.status?.conditions?.find((condition) => condition.type === type);
  }

  get isOver(): boolean {
    return ["Complete", "Failed"].some((type) => this.condition(type)?.status === "True");
  }

  #carryOut(action: JobAction): void {
    const current = "pod" in action && "metadata" in action.pod
      ? this.pods.find(({ metadata }) => metadata.uid === (action.pod as Pod).metadata.uid)
      : undefined;
    switch (action.do) {
      case "create":
        this.pods = [...this.pods, this.#make(action.pod)];
        return;
      case "free":
        if (current !== undefined) {
          this.#replace(current, { ...current, metadata: { ...current.metadata, finalizers: [] } });
        }
        return this.#collect();
      case "end":
      case "withdraw":
        return this.delete(current);
    }
  }

  #make({ index, failures }: NewPod): Pod {
    const name = `pod-${this.#made++}`;
    return {
      ...aPod({
        name,
        node: "n1",
        ready: true,
        created: new Date(this.now).toISOString(),
        labels: this.job.spec.template.metadata!.labels!,
        owner: { apiVersion: "batch/v1", kind: "Job", metadata: this.job.metadata },
        finalizers: [TRACKING],
        ...(index !== undefined && {
          annotations: {
            [INDEX]: String(index),
            ...(failures && { [FAILURES]: String(failures.counted), [IGNORED_FAILURES]: String(failures.ignored) }),
          },
        }),
      }),
    };
  }

  #replace(old: Pod, next: Pod): void {
    this.pods = this.pods.map((pod) => pod === old ? next : pod);
  }

  /** What has been told to go, has ended and is held by nobody is gone. */
  #collect(): void {
    this.pods = this.pods.filter(({ metadata, status }) =>
      metadata.deletionTimestamp === undefined || (metadata.finalizers ?? []).length > 0 ||
      status?.phase === "Running" || status?.phase === "Pending"
    );
  }
}
