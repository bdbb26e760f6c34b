/** What controllers tell of their work, by the names that client-go's queues, controller-runtime and the scheduler have. */
import { type Counter, type Metrics, SECONDS } from "@k3ts/client/telemetry";
import type { Plan } from "./plan.ts";

/** Told by a queue of what happens to its objects. Times in seconds. */
export interface QueueWatch {
  added(): void;
  /** How many wait now. */
  depth(waiting: number): void;
  /** An object has waited so long, and its work begins. */
  began(waited: number): void;
  ended(worked: number): void;
  retried(): void;
}

/** A count of attempts beside those of the queue, by how they went: what users of a scheduler look at. */
export interface Attempts {
  counter: string;
  help: string;
  resultOf: (plan: Plan) => string;
}

/** Told by the runner of one controller. */
export interface ControllerWatch {
  queue: QueueWatch;
  planned(plan: Plan): void;
  ended(result: "success" | "error"): void;
}

/** Work on one object takes longer than a request may. */
const LONG_SECONDS = [...SECONDS, 300, 600];

export class ControllerMetrics {
  readonly #metrics: Metrics;
  readonly #depth;
  readonly #adds;
  readonly #waited;
  readonly #worked;
  readonly #retries;
  readonly #reconciled;
  readonly #errors;
  readonly #synced;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
    this.#depth = metrics.gauge("workqueue_depth", "Objects that wait to be looked at.", "name");
    this.#adds = metrics.counter("workqueue_adds_total", "Objects that came to wait.", "name");
    this.#waited = metrics.histogram(
      "workqueue_queue_duration_seconds",
      "How long objects waited.",
      ["name"],
      LONG_SECONDS,
    );
    this.#worked = metrics.histogram(
      "workqueue_work_duration_seconds",
      "How long the work on an object took.",
      ["name"],
      LONG_SECONDS,
    );
    this.#retries = metrics.counter("workqueue_retries_total", "Objects that wait again as the work failed.", "name");
    this.#reconciled = metrics.counter(
      "controller_runtime_reconcile_total",
      "Objects that were looked at, by how that went.",
      "controller",
      "result",
    );
    this.#errors = metrics.counter(
      "controller_runtime_reconcile_errors_total",
      "Objects that could not be brought to where they should be.",
      "controller",
    );
    this.#synced = metrics.gauge("k3ts_controller_synced", "1 when a controller knows the cluster.", "controller");
  }

  /** @param queue what it calls its queue */
  of(controller: string, attempts?: Attempts): ControllerWatch {
    this.#synced.set(0, { controller });
    this.#errors.add({ controller }, 0);
    const counted = attempts && this.#metrics.counter(attempts.counter, attempts.help, "result");
    return {
      queue: this.#queue({ name: controller }),
      planned: (plan) => counted?.add({ result: attempts!.resultOf(plan) }),
      ended: (result) => {
        this.#reconciled.add({ controller, result });
        if (result === "error") this.#failed({ controller }, counted);
      },
    };
  }

  synced(controller: string): void {
    this.#synced.set(1, { controller });
  }

  #failed(labels: { controller: string }, counted: Counter | undefined): void {
    this.#errors.add(labels);
    counted?.add({ result: "error" });
  }

  #queue(labels: { name: string }): QueueWatch {
    this.#depth.set(0, labels);
    this.#adds.add(labels, 0);
    this.#retries.add(labels, 0);
    return {
      added: () => this.#adds.add(labels),
      depth: (waiting) => this.#depth.set(waiting, labels),
      began: (waited) => this.#waited.observe(waited, labels),
      ended: (worked) => this.#worked.observe(worked, labels),
      retried: () => this.#retries.add(labels),
    };
  }
}
