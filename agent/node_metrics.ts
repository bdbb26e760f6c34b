/** What the agent counts, by the names that the kubelet's and kube-proxy's figures have. */
import { keepProcessMetrics, Metrics } from "@k3ts/client/telemetry";
import type { Images } from "./images/images.ts";
import type { PodManager } from "./pods/manager.ts";
import type { ContainerTable } from "./pods/container_table.ts";
import type { ProbeKind } from "./pods/prober.ts";
import type { StatusOutbox } from "./sync/status_outbox.ts";

/** Calls of the runtime, as the kubelet calls them. */
const OPERATIONS: Readonly<Record<string, string>> = {
  version: "version",
  createSandbox: "run_podsandbox",
  removeSandbox: "remove_podsandbox",
  createContainer: "create_container",
  startContainer: "start_container",
  signalContainer: "stop_container",
  deleteContainer: "remove_container",
  listContainers: "list_containers",
  exec: "exec",
};

/** A pod may have to wait for its images. */
const START_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 600];
const STATES = ["created", "exited", "running", "unknown"] as const;

/** What is looked at when somebody asks. */
export interface Countable {
  table: Pick<ContainerTable, "all" | "of">;
  manager: Pick<PodManager, "pods">;
  outbox: Pick<StatusOutbox, "waiting">;
}

export class NodeMetrics {
  readonly #metrics = new Metrics();
  readonly #operations = this.#metrics.counter(
    "kubelet_runtime_operations_total",
    "Calls of the container runtime, and images that were fetched.",
    "operation_type",
  );
  readonly #operationErrors = this.#metrics.counter(
    "kubelet_runtime_operations_errors_total",
    "Those that failed.",
    "operation_type",
  );
  readonly #operationSeconds = this.#metrics.histogram(
    "kubelet_runtime_operations_duration_seconds",
    "How long they took.",
    ["operation_type"],
  );
  readonly #podStart = this.#metrics.histogram(
    "kubelet_pod_start_duration_seconds",
    "From a pod's first sight on this node until it ran.",
    [],
    START_SECONDS,
  );
  readonly #probes = this.#metrics.counter(
    "prober_probe_total",
    "Probes of containers, by how they went.",
    "probe_type",
    "result",
  );
  readonly #rulesSeconds = this.#metrics.histogram(
    "kubeproxy_sync_proxy_rules_duration_seconds",
    "How long it took to bring the packet rules of Services up to date.",
  );
  readonly #namesSeconds = this.#metrics.histogram(
    "k3ts_sync_dns_names_duration_seconds",
    "How long it took to bring the names of the cluster up to date.",
  );
  readonly #syncErrors = this.#metrics.counter(
    "k3ts_network_sync_errors_total",
    "Rules or names that could not be brought up to date.",
    "what",
  );
  readonly #rulesAt = this.#metrics.gauge(
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
    "When the packet rules were last brought up to date, since the epoch.",
  );

  constructor() {
    keepProcessMetrics(this.#metrics);
  }

  render(): Promise<string> {
    return this.#metrics.render();
  }

  /** From now on it is told how many there are of what. */
  count({ table, manager, outbox }: Countable): void {
    const pods = this.#metrics.gauge("kubelet_running_pods", "Pods that have a container that runs.");
    const desired = this.#metrics.gauge("kubelet_desired_pods", "Pods that should be on this node.");
    const containers = this.#metrics.gauge("kubelet_running_containers", "Containers by state.", "container_state");
    const waiting = this.#metrics.gauge("k3ts_pod_statuses_waiting", "Statuses that the server was not told yet.");
    this.#metrics.onCollect(() => {
      const all = table.all();
      desired.set(manager.pods().length);
      pods.set(new Set(all.filter(({ state }) => state === "running").map(({ podUid }) => podUid)).size);
      for (const state of STATES) containers.set(0, { container_state: state });
      for (const { state } of all) containers.add(1, { container_state: state === "retired" ? "exited" : state });
      waiting.set(outbox.waiting.count);
    });
  }

  /** @returns a client of the runtime whose calls are timed */
  timeRuntime<C extends object>(client: C): C {
    return new Proxy(client, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        const operation = typeof name === "string" && Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
        if (operation === undefined || typeof value !== "function") return value;
        return (...args: unknown[]) => this.#time(operation, () => value.apply(target, args));
      },
    });
  }

  /** @returns the images, fetching which is timed */
  timePulls(images: Images): Images {
    return new Proxy(images, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target);
        if (typeof value !== "function") return value;
        if (name !== "pull") return value.bind(target);
        return (...args: Parameters<Images["pull"]>) => this.#time("pull_image", () => target.pull(...args));
      },
    });
  }

  podStarted(seconds: number): void {
    this.#podStart.observe(seconds);
  }

  probed(kind: ProbeKind, result: string): void {
    this.#probes.add({ probe_type: kind, result });
  }

  synced(what: "rules" | "names", seconds: number, isDone: boolean): void {
    (what === "rules" ? this.#rulesSeconds : this.#namesSeconds).observe(seconds);
    this.#syncErrors.add({ what }, isDone ? 0 : 1);
    if (what === "rules" && isDone) this.#rulesAt.set(Date.now() / 1000);
  }

  async #time<T>(operation_type: string, work: () => Promise<T>): Promise<T> {
    const labels = { operation_type };
    const began = performance.now();
    this.#operations.add(labels);
    this.#operationErrors.add(labels, 0);
    try {
      return await work();
    } catch (error) {
      this.#operationErrors.add(labels);
      throw error;
    } finally {
      this.#operationSeconds.observe((performance.now() - began) / 1000, labels);
    }
  }
}
