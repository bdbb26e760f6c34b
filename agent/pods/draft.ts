/** What a plan is made of while it is being made. */
import type { Moment, MonotonicTime, Pod } from "@k3ts/model/objects";
import { latestAttempt } from "./container_rules.ts";
import type { Failure, ObservedContainer, ObservedPod } from "./observed.ts";
import type { Action, DesiredPod, Notice, PodPlan } from "./plan.ts";
import { planStatus, type Waiting } from "./status.ts";

export class Draft {
  readonly actions: Action[] = [];
  /** Why containers that should run do not, by name. */
  readonly waiting = new Map<string, Waiting>();
  /** Why the pod as a whole is over, where its containers do not say. */
  ended?: { reason: string; message: string };
  readonly #notices: Notice[] = [];
  #reconsiderAt?: MonotonicTime;

  constructor(readonly desired: DesiredPod, readonly observed: ObservedPod, readonly now: Moment) {}

  get pod(): Pod {
    return this.desired.pod;
  }

  latest(name: string): ObservedContainer | undefined {
    return latestAttempt(this.observed.containers, name);
  }

  at(time: MonotonicTime): void {
    this.#reconsiderAt = Math.min(this.#reconsiderAt ?? Infinity, time);
  }

  notice(notice: Notice): void {
    this.#notices.push(notice);
  }

  /** Whether something that failed must wait; then it is noted when it may be tried again. */
  heldBack(what: string): Failure | undefined {
    const failure = this.observed.failures.get(what);
    if (failure === undefined) return undefined;
    if (failure.retryAt > this.now.monotonic) this.at(failure.retryAt);
    return failure.retryAt > this.now.monotonic ? failure : undefined;
  }

  finish(): PodPlan {
    const status = planStatus(this.desired, this.observed, this.waiting, this.ended, this.now.wall);
    return {
      actions: this.actions,
      status,
      notices: this.#notices,
      ...(this.#reconsiderAt !== undefined && { reconsiderAt: this.#reconsiderAt }),
    };
  }
}
