/** Everything between this node and the server: who it is, what it wants, how the node is. */
import { createClient } from "@connectrpc/connect";
import { delay, Informer, type ResourceClients } from "@k3ts/client";
import { explain } from "@k3ts/client/telemetry";
import { type EndpointSlice, type Node, type Pod, resources, type Service } from "@k3ts/model/objects";
import { ClusterService, NodeService } from "@k3ts/proto";
import type { AgentParts } from "./agent.ts";
import { type ClusterState, mergeClusterState, writeClusterState } from "./cluster_state.ts";
import { keepLease } from "./node/lease.ts";
import type { NodeInput } from "./node/node_object.ts";
import { keepNodeStatus, register } from "./node/node_status.ts";
import type { OpenNode } from "./open_node.ts";
import type { Saved } from "./saved.ts";
import { follow } from "./sync/follow.ts";

/** Asks which cluster this is and registers the node there; for as long as it takes. */
export async function greet(
  parts: AgentParts,
  saved: ClusterState | undefined,
  input: (kubernetesVersion: string) => NodeInput,
): Promise<ClusterState> {
  const { server, log, clock, signal } = parts;
  const cluster = createClient(ClusterService, server);
  for (let failures = 1;; failures++) {
    try {
      const info = await cluster.getInfo({}, { signal, timeoutMs: 15_000 });
      // Before anything is registered: it may be another cluster.
      mergeClusterState(saved, info, { uid: "", cidr: "" });
      const node = await register(
        createClient(NodeService, server),
        input(info.kubernetesVersion),
        clock.wall,
        log,
        signal,
      );
      const cidr = node.spec?.podCIDR;
      if (cidr === undefined) {
        throw new Error(`Cannot use node "${parts.nodeName}" as the server must give it a range of addresses`);
      }
      const state = mergeClusterState(saved, info, { uid: node.metadata.uid, cidr });
      await writeClusterState(parts.paths, state);
      return state;
    } catch (error) {
      signal.throwIfAborted();
      // It may be away for long: once is enough, and now and then.
      if (failures % GREET_SAYS_EVERY === 1) log.error("Cannot follow the server yet", error);
      await delay(GREET_RETRY_MS, signal);
    }
  }
}

const GREET_RETRY_MS = 1_000;
const GREET_SAYS_EVERY = 60;

/** Saves what the server wants, tells it what is, and shows that the node lives. Ends with the signal. */
export async function followServer(
  parts: AgentParts,
  saved: Saved,
  { manager, routes, outbox, events }: OpenNode,
  clients: ResourceClients,
  cluster: ClusterState,
  describe: () => NodeInput,
): Promise<void> {
  const { nodeName, log, clock, signal } = parts;
  const pods = clients.of<Pod>(resources.pods);
  outbox.connect(pods, signal);
  events.connect(clients.of(resources.events));
  saved.references.connect(clients);
  const nodes = new Informer(clients.of<Node>(resources.nodes), {
    onError: (error) => log.warn("Cannot follow the server", { error: explain(error), resource: "nodes" }),
  });
  routes.follow(nodes);
  const own = follow(pods, { fieldSelector: `spec.nodeName=${nodeName}` }, saved.pods, log, signal);
  const services = follow(clients.of<Service>(resources.services), {}, saved.services, log, signal);
  const slices = follow(clients.of<EndpointSlice>(resources.endpointslices), {}, saved.slices, log, signal);
  own.synced.then(() => manager.endOthers(new Set(saved.pods.list().map((pod) => pod.metadata.uid))))
    .catch((error) => signal.aborted || log.error("Cannot end what is not wanted any more", error));
  await Promise.all([
    own.done,
    services.done,
    slices.done,
    nodes.start(signal),
    keepLease(
      clients.of(resources.leases),
      { name: nodeName, uid: cluster.nodeUid, leaseSeconds: parts.leaseSeconds },
      clock.wall,
      log,
      () => parts.server.reconnect(),
      // A node that counts as alive again is to act at once on what is wanted of it.
      () => [own, services, slices, nodes, outbox].forEach((one) => one.retryNow()),
      signal,
    ),
    keepNodeStatus(nodes, describe, clock, log, signal),
  ]);
}
