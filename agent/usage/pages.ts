/** What this machine uses, as the kubelet tells it: `/stats/summary` and `/metrics/resource`. Pure. */
import { formatTime } from "@k3ts/model/objects";
import type { Measured, Measurement } from "./meter.ts";

export interface NodeAbout {
  nodeName: string;
  /** Of the agent, in ms since the epoch. */
  startedAt: number;
  memoryBytes: number;
}

/** stats/v1alpha1 Summary, with what is measured here. */
export function summaryOf({ at, node, pods }: Measurement, about: NodeAbout): object {
  const time = formatTime(at);
  return {
    node: {
      nodeName: about.nodeName,
      startTime: formatTime(about.startedAt),
      ...statsOf(node, time, about.memoryBytes),
    },
    pods: pods.map(({ name, namespace, uid, startedAt, amounts, containers }) => ({
      podRef: { name, namespace, uid },
      startTime: formatTime(startedAt),
      containers: containers.map((container) => ({
        name: container.name,
        startTime: formatTime(container.startedAt),
        ...statsOf(container, time),
      })),
      ...(amounts !== undefined && statsOf(amounts, time)),
    })),
  };
}

function statsOf({ cpuNs, rate, memory }: Measured, time: string, capacity?: number): object {
  return {
    cpu: { time, ...(rate !== undefined && { usageNanoCores: rate.nanocores }), usageCoreNanoSeconds: cpuNs },
    memory: {
      time,
      ...(capacity !== undefined && { availableBytes: Math.max(0, capacity - memory.workingSet) }),
      usageBytes: memory.usage,
      workingSetBytes: memory.workingSet,
      rssBytes: memory.rss,
      pageFaults: memory.pageFaults,
      majorPageFaults: memory.majorPageFaults,
    },
  };
}

/** In Prometheus's text format, each sample with the time at which it was measured. */
export function resourceMetricsOf({ at, node, pods }: Measurement): string {
  const containers = pods.flatMap(({ namespace, name: pod, containers }) =>
    containers.map((one) => ({ labels: labelsOf({ container: one.name, namespace, pod }), one }))
  );
  const wholes = pods.flatMap(({ namespace, name: pod, amounts }) =>
    amounts === undefined ? [] : [{ labels: labelsOf({ namespace, pod }), one: amounts }]
  );
  const nodes = [{ labels: "", one: node }];
  const family = <T>(
    name: string,
    type: "counter" | "gauge",
    help: string,
    all: readonly { labels: string; one: T }[],
    value: (one: T) => number,
  ) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...all.map(({ labels, one }) => `${name}${labels} ${value(one)} ${at}`),
  ];
  const seconds = ({ cpuNs }: Measured) => cpuNs / 1e9;
  const bytes = ({ memory }: Measured) => memory.workingSet;
  const cpuHelp = (what: string) => `Processor time that the ${what} has used, in core-seconds.`;
  const memoryHelp = (what: string) => `Working set of the ${what} in bytes.`;
  return [
    ...family("container_cpu_usage_seconds_total", "counter", cpuHelp("container"), containers, seconds),
    ...family("container_memory_working_set_bytes", "gauge", memoryHelp("container"), containers, bytes),
    ...family(
      "container_start_time_seconds",
      "gauge",
      "When the container started, since the epoch.",
      containers,
      ({ startedAt }) => startedAt / 1000,
    ),
    ...family("node_cpu_usage_seconds_total", "counter", cpuHelp("node"), nodes, seconds),
    ...family("node_memory_working_set_bytes", "gauge", memoryHelp("node"), nodes, bytes),
    ...family("pod_cpu_usage_seconds_total", "counter", cpuHelp("pod"), wholes, seconds),
    ...family("pod_memory_working_set_bytes", "gauge", memoryHelp("pod"), wholes, bytes),
    "# HELP resource_scrape_error 1 where something could not be measured.",
    "# TYPE resource_scrape_error gauge",
    "resource_scrape_error 0",
    "",
  ].join("\n");
}

/** Names of Kubernetes's objects need no escape. */
function labelsOf(labels: Record<string, string>): string {
  return `{${Object.entries(labels).map(([name, value]) => `${name}="${value}"`).join(",")}}`;
}
