/** Puts together what looks after pods on this machine: records, network, workers. */
import type { ResourceClients } from "@k3ts/client";
import { type EndpointSlice, type Pod, resources } from "@k3ts/model/objects";
import type { AgentParts } from "./agent.ts";
import type { ClusterState } from "./cluster_state.ts";
import { NodeNetwork } from "./network/node_network.ts";
import { NodeRoutes } from "./network/node_routes.ts";
import { hostPortsOf } from "./network/service_ports.ts";
import type { NodeMetrics } from "./node_metrics.ts";
import { ContainerTable } from "./pods/container_table.ts";
import { Events } from "./pods/events.ts";
import { PodManager } from "./pods/manager.ts";
import { Prober } from "./pods/prober.ts";
import { readTerminationMessage } from "./pods/termination_message.ts";
import type { Saved } from "./saved.ts";
import { StatusOutbox } from "./sync/status_outbox.ts";
import { requestToken } from "./volumes/token.ts";
import { Volumes } from "./volumes/volumes.ts";

export interface OpenNode {
  table: ContainerTable;
  network: NodeNetwork;
  routes: NodeRoutes;
  manager: PodManager;
  outbox: StatusOutbox;
  events: Events;
  prober: Prober;
}

/** Reads what the runtime has, and makes the bridge. No pod is touched yet. */
export async function openNode(
  parts: AgentParts,
  saved: Saved,
  cluster: ClusterState,
  clients: ResourceClients,
  metrics: NodeMetrics,
): Promise<OpenNode> {
  const { paths, log, clock, signal, facts } = parts;
  const outbox = new StatusOutbox(log);
  const events = new Events(parts.nodeName, clock, log);
  const prober = new Prober(clock, (kind, result) => metrics.probed(kind, result));
  const table: ContainerTable = new ContainerTable(
    paths.containers,
    parts.runtime,
    parts.images,
    (record, code) => readTerminationMessage(paths, table, saved.pods.list(), record, code),
    clock,
    log,
  );
  await table.open();
  const routes = await NodeRoutes.open({
    file: `${paths.state}/routes.json`,
    own: { ...cluster, nodeName: parts.nodeName },
    native: parts.network,
    log,
  });
  const network: NodeNetwork = await NodeNetwork.open({
    facts: { ...cluster, nodeName: parts.nodeName },
    addressesFile: paths.addresses,
    dnsFile: paths.dnsSnapshot,
    native: parts.network,
    files: parts.images,
    dns: parts.dns,
    sources: {
      services: () => saved.services.list(),
      slices: () => saved.slices.list(),
      pods: () => podAddresses(manager.pods(), saved.slices.list(), network),
      networks: () => manager.networks(),
      hostPorts: () =>
        manager.pods().flatMap((pod) => {
          const address = network.addresses.of(pod.metadata.uid);
          return address === undefined ? [] : hostPortsOf(pod, address);
        }),
      hasOtherNodes: () => routes.count > 0,
    },
    synced: (what, seconds, isDone) => metrics.synced(what, seconds, isDone),
    log,
    signal: parts.signal,
  });
  const manager: PodManager = new PodManager({
    paths,
    runtime: parts.runtime,
    mounts: parts.images,
    images: saved.images,
    volumes: new Volumes(
      parts.images,
      (pod, request) => requestToken(clients, pod, request),
      (reference) => saved.images.find(reference)?.layers.map((layer) => saved.images.layerPath(layer)),
    ),
    network,
    table,
    prober,
    references: saved.references.references,
    outbox,
    events,
    ...(parts.podProcessesMax !== undefined && { podProcessesMax: parts.podProcessesMax }),
    podStarted: (seconds) => metrics.podStarted(seconds),
    log,
    clock,
    pods: clients.of<Pod>(resources.pods),
    services: (namespace) =>
      saved.services.list().filter(({ metadata }) =>
        metadata.namespace === namespace || metadata.namespace === "default"
      ),
    node: facts,
    signal,
  });
  metrics.count({ table, manager, outbox });
  return { table, network, routes, manager, outbox, events, prober };
}

/** Of this node's pods, and of all that stand behind Services. */
function podAddresses(
  pods: readonly Pod[],
  slices: readonly EndpointSlice[],
  network: NodeNetwork,
): { namespace: string; address: string }[] {
  const own = pods.flatMap((pod) => {
    const address = network.addresses.of(pod.metadata.uid);
    return address === undefined ? [] : [{ namespace: pod.metadata.namespace ?? "default", address }];
  });
  const others = slices.flatMap((slice) =>
    (slice.endpoints ?? []).filter((one) => one.targetRef?.kind === "Pod").flatMap((one) =>
      one.addresses.map((address) => ({ namespace: slice.metadata.namespace ?? "default", address }))
    )
  );
  return [...own, ...others];
}
