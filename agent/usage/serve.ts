/** The pages of the agent that tell how the node is in figures, and what they are made of. */
import { gatherMetrics, METRICS_TYPE, metricsAt } from "@k3ts/client/telemetry";
import type { AgentParts } from "../agent.ts";
import { exists } from "../files.ts";
import type { NodeMetrics } from "../node_metrics.ts";
import type { OpenNode } from "../open_node.ts";
import { type Answer, jsonAnswer, textAnswer } from "../serve/answer.ts";
import type { Meter, MeteredPod } from "./meter.ts";
import { resourceMetricsOf, summaryOf } from "./pages.ts";

/** Pages that tell in figures how the node is: the kubelet's. */
export async function figurePages(
  { paths, nodeName, facts, clock }: Pick<AgentParts, "paths" | "nodeName" | "facts" | "clock">,
  meter: Meter,
  metrics: NodeMetrics,
): Promise<Record<string, () => Promise<Answer>>> {
  const startedAt = clock.wall();
  const isServer = await exists(`${paths.dataDir}/pki`);
  const sources = {
    agent: () => metrics.render(),
    dataplane: metricsAt(paths.dataplaneSocket),
    // Where there is a server, it tells of these.
    ...(!isServer && {
      gateway: metricsAt(`${paths.dataDir}/run/gateway.sock`),
      supervisor: metricsAt(`${paths.dataDir}/run/supervisor.sock`),
    }),
  };
  const figures = (text: string) => ({ ...textAnswer(200, text), headers: { "content-type": METRICS_TYPE } });
  return {
    "/metrics": async () => figures(await gatherMetrics(sources)),
    "/metrics/resource": async () => figures(resourceMetricsOf(await meter.recent())),
    "/stats/summary": async () =>
      jsonAnswer(200, summaryOf(await meter.recent(), { nodeName, startedAt, memoryBytes: facts.memoryBytes })),
  };
}

/** Pods with a container that runs. */
export function meteredPods({ manager, table }: Pick<OpenNode, "manager" | "table">): MeteredPod[] {
  return manager.pods().flatMap(({ metadata: { namespace = "default", name, uid }, status }) => {
    const containers = table.of(uid).flatMap(({ id, container, state, startedAt }) =>
      state === "running" && startedAt !== undefined ? [{ id, name: container, startedAt }] : []
    );
    if (containers.length === 0) return [];
    const startedAt = Date.parse(status?.startTime ?? "") || Math.min(...containers.map((one) => one.startedAt));
    return [{ namespace, name, uid, startedAt, containers }];
  });
}
