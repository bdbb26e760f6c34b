/**
 * The node: keeps this machine as the cluster wants it, with or without a server that answers.
 *
 * What was saved is followed at once; the server is asked beside that, for as long as it takes. Ends with its signal
 * and leaves the containers running.
 */
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createResourceClient, delay } from "@k3ts/client";
import { type EndpointSlice, type Pod, resources, type Service } from "@k3ts/model";
import {
  ClusterService,
  type DnsService,
  type ImageService,
  type NetworkService,
  NodeService,
  type RuntimeService,
} from "@k3ts/proto";
import { type ClusterState, mergeClusterState, readClusterState, writeClusterState } from "./cluster_state.ts";
import { Images } from "./images/images.ts";
import type { Log } from "./log.ts";
import { NodeNetwork } from "./network/node_network.ts";
import { keepLease } from "./node/lease.ts";
import type { MachineFacts } from "./node/facts.ts";
import type { NodeInput } from "./node/node_object.ts";
import { keepNodeStatus, register } from "./node/node_status.ts";
import type { Paths } from "./paths.ts";
import { ContainerTable } from "./pods/container_table.ts";
import { Events } from "./pods/events.ts";
import { PodManager } from "./pods/manager.ts";
import { Prober } from "./pods/prober.ts";
import { readTerminationMessage } from "./pods/termination_message.ts";
import { serve } from "./serve/http.ts";
import { Targets } from "./serve/targets.ts";
import { follow } from "./sync/follow.ts";
import { ReferenceWatch } from "./sync/reference_watch.ts";
import { SavedObjects } from "./sync/saved_objects.ts";
import { StatusOutbox } from "./sync/status_outbox.ts";
import { Volumes } from "./volumes/volumes.ts";
import { requestToken } from "./volumes/token.ts";

export interface AgentParts {
  paths: Paths;
  nodeName: string;
  /** Of k3ts. */
  version: string;
  facts: MachineFacts;
  /** With this node's certificate. */
  server: Transport;
  runtime: Client<typeof RuntimeService>;
  images: Client<typeof ImageService>;
  network: Client<typeof NetworkService>;
  dns: Pick<Client<typeof DnsService>, "loadSnapshot">;
  log: Log;
  now: () => number;
  signal: AbortSignal;
}

/** Resolves when everything has ended after the signal. */
export async function runAgent(parts: AgentParts): Promise<void> {
  const { paths, log, signal, now } = parts;
  const images = new Images(paths.images, parts.images);
  const saved = {
    pods: new SavedObjects<Pod>(`${paths.state}/pods`),
    services: new SavedObjects<Service>(`${paths.state}/services`),
    slices: new SavedObjects<EndpointSlice>(`${paths.state}/endpointslices`),
  };
  const references = new ReferenceWatch(`${paths.state}/references`, log);
  await Promise.all([images.open(), ...Object.values(saved).map((one) => one.open()), references.open()]);

  const runtime = await parts.runtime.version({});
  const input = (kubernetesVersion: string): NodeInput => ({
    name: parts.nodeName,
    facts: parts.facts,
    runtime: { name: runtime.runtime, version: runtime.version },
    version: parts.version,
    kubernetesVersion,
    images: images.index.list(),
  });
  // Without what it was given the node can do nothing; with it, it need not wait for the server.
  const before = await readClusterState(paths);
  const greeted = greet(parts, before, input);
  // Whoever awaits it learns of its failure.
  greeted.catch(() => {});
  const cluster = before ?? await greeted;

  const clients = createResourceClient(parts.server);
  const pods = clients.of<Pod>(resources.pods);
  const outbox = new StatusOutbox(log);
  const events = new Events(parts.nodeName, now, log);
  const prober = new Prober(now);
  const table: ContainerTable = new ContainerTable(
    paths.containers,
    parts.runtime,
    (record, code) => readTerminationMessage(paths, table, saved.pods.list(), record, code),
  );
  await table.open();
  const network = await NodeNetwork.open({
    facts: { ...cluster, nodeName: parts.nodeName },
    addressesFile: paths.addresses,
    dnsFile: paths.dnsSnapshot,
    native: parts.network,
    dns: parts.dns,
    sources: {
      services: () => saved.services.list(),
      slices: () => saved.slices.list(),
      pods: () => podAddresses(manager.pods(), saved.slices.list(), network),
    },
    log,
  });
  const manager = new PodManager({
    paths,
    runtime: parts.runtime,
    mounts: parts.images,
    images,
    volumes: new Volumes(parts.images, (pod, request) => requestToken(clients, pod, request)),
    network,
    table,
    prober,
    references: references.references,
    outbox,
    events,
    log,
    now,
    pods: () => pods,
    services: (namespace) =>
      saved.services.list().filter((one) =>
        one.metadata.namespace === namespace || one.metadata.namespace === "default"
      ),
    node: {
      address: parts.facts.address,
      cpuCores: parts.facts.cpuCores,
      memoryBytes: parts.facts.memoryBytes,
      bootId: parts.facts.bootId,
    },
    signal,
  });

  const useReferences = () => references.use(saved.pods.list());
  saved.pods.onChange((change) => {
    useReferences();
    if (change.type === "removed") return manager.gone(change.object.metadata.uid);
    if (change.old !== undefined && change.old.metadata.uid !== change.object.metadata.uid) {
      manager.gone(change.old.metadata.uid);
    }
    manager.want(change.object).catch((error) => log.error("Cannot follow a pod", error));
  });
  saved.services.onChange(() => network.changed());
  saved.slices.onChange(() => network.changed());
  references.onChange((reference) => manager.referenceChanged(reference));
  useReferences();
  for (const pod of saved.pods.list()) await manager.want(pod);
  network.changed();

  const server = await serve({
    socket: paths.agentSocket,
    targets: new Targets(paths, table, (namespace, name) => manager.find(namespace, name)),
    images,
    runtime: parts.runtime,
    imagesChanged: () => manager.pokeAll(),
    log,
    now,
    signal,
  });
  const watching = watchRuntime(parts, table, manager);

  // From here on the server is needed; all above goes on without it.
  const state = await greeted;
  outbox.connect(pods, signal);
  events.connect(clients.of(resources.events));
  references.connect(clients);
  const following = [
    follow(pods, { fieldSelector: `spec.nodeName=${parts.nodeName}` }, saved.pods, log, signal),
    follow(clients.of<Service>(resources.services), {}, saved.services, log, signal),
    follow(clients.of<EndpointSlice>(resources.endpointslices), {}, saved.slices, log, signal),
  ];
  following[0]!.synced.then(() => manager.endOthers(new Set(saved.pods.list().map((pod) => pod.metadata.uid))))
    .catch((error) => signal.aborted || log.error("Cannot end what is not wanted any more", error));
  await Promise.all([
    ...following.map(({ done }) => done),
    keepLease(clients.of(resources.leases), { name: parts.nodeName, uid: state.nodeUid }, now, log, signal),
    keepNodeStatus(
      clients.of(resources.nodes),
      () => Promise.resolve(input(state.kubernetesVersion)),
      now,
      log,
      signal,
    ),
    watching,
    server.finished,
  ]);
  references.stop();
  prober.stopAll();
  await manager.settled();
}

/** Asks which cluster this is and registers the node there; for as long as it takes. */
async function greet(
  parts: AgentParts,
  saved: ClusterState | undefined,
  input: (kubernetesVersion: string) => NodeInput,
): Promise<ClusterState> {
  const { server, log, now, signal } = parts;
  const cluster = createClient(ClusterService, server);
  for (let failures = 1;; failures++) {
    try {
      const info = await cluster.getInfo({}, { signal, timeoutMs: 15_000 });
      // Before anything is registered: it may be another cluster.
      mergeClusterState(saved, info, { uid: "", cidr: "" });
      const node = await register(createClient(NodeService, server), input(info.kubernetesVersion), now, log, signal);
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

/** Tells workers when one of their containers has started or ended. */
async function watchRuntime(
  { runtime, log, signal }: AgentParts,
  table: ContainerTable,
  manager: PodManager,
): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const { ids } of runtime.watchContainers({}, { signal })) {
        if (ids.length === 0) manager.pokeAll();
        for (const uid of new Set(ids.map((id) => table.podOf(id)))) if (uid !== undefined) manager.poke(uid);
      }
    } catch (error) {
      if (!signal.aborted) log.error("Cannot watch the containers", error);
    }
    await delay(1_000, signal).catch(() => {});
  }
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
