/**
 * The node: keeps this machine as the cluster wants it, with or without a server that answers.
 *
 * What was saved is followed at once; the server is asked beside that, for as long as it takes. Ends with its signal
 * and leaves the containers running.
 */
import { dirname } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { createResourceClient, delay, type RenewableTransport } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { type Clock, equalJson } from "@k3ts/model/objects";
import { type DnsService, type ImageService, type NetworkService, NodeService, type RuntimeService } from "@k3ts/proto";
import { readClusterState } from "./cluster_state.ts";
import { nodeHealth } from "./health.ts";
import type { MachineFacts } from "./node/facts.ts";
import type { NodeInput } from "./node/node_object.ts";
import { PressureWatch, readHeadroom } from "./node/pressure.ts";
import { NodeMetrics } from "./node_metrics.ts";
import { type OpenNode, openNode } from "./open_node.ts";
import type { Paths } from "./paths.ts";
import { ImageCollector } from "./images/collection.ts";
import { containersOf } from "./pods/container_rules.ts";
import { type DiskParts, watchDiskLimits } from "./pods/disk_limits.ts";
import { watchDiskPressure } from "./pods/disk_pressure.ts";
import { rotateLogs } from "./pods/log_rotation.ts";
import { openSaved, type Saved } from "./saved.ts";
import { serve } from "./serve/http.ts";
import { Targets } from "./serve/targets.ts";
import { followServer, greet } from "./server_link.ts";
import { Meter } from "./usage/meter.ts";
import { reportUsage } from "./usage/report.ts";
import { figurePages, meteredPods } from "./usage/serve.ts";

export interface AgentParts {
  paths: Paths;
  nodeName: string;
  /** Of k3ts. */
  version: string;
  facts: MachineFacts;
  /** Renews the address among the facts until the signal fires. @param changed called when it was another */
  keepAddress: (changed: () => void) => Promise<void>;
  /** How long, in seconds, a sign of life of this node is good for. */
  leaseSeconds: number;
  /** At most so many processes in a pod. @default no limit */
  podProcessesMax?: number;
  /** With this node's certificate. */
  server: RenewableTransport;
  runtime: Client<typeof RuntimeService>;
  images: Client<typeof ImageService>;
  network: Client<typeof NetworkService>;
  /** `k3ts-shim`. */
  shimProgram: string;
  dns: Pick<Client<typeof DnsService>, "loadSnapshot">;
  log: Log;
  clock: Clock;
  signal: AbortSignal;
}

/** Resolves when everything has ended after the signal. */
export async function runAgent(given: AgentParts): Promise<void> {
  const metrics = new NodeMetrics();
  const parts = { ...given, runtime: metrics.timeRuntime(given.runtime) };
  const opened = await openSaved(parts.paths, parts.images, parts.log);
  const saved = { ...opened, images: metrics.timePulls(opened.images) };
  const runtime = await parts.runtime.version({});
  const before = await readClusterState(parts.paths);
  const pressure = new PressureWatch();
  const describe = (kubernetesVersion: string): NodeInput => ({
    name: parts.nodeName,
    facts: parts.facts,
    runtime: { name: runtime.runtime, version: runtime.version },
    version: parts.version,
    kubernetesVersion,
    images: saved.images.index.list(),
    pressures: pressure.look(readHeadroom(parts.paths.dataDir), parts.clock.monotonic()),
    ...(before !== undefined && { podCidr: before.nodeCidr }),
  });
  // Without what it was given the node can do nothing; with it, it need not wait for the server.
  const greeted = greet(parts, before, describe);
  // Whoever awaits it learns of its failure.
  greeted.catch(() => {});
  const clients = createResourceClient(parts.server, { fieldManager: "k3ts-agent" });
  const node = await openNode(parts, saved, before ?? await greeted, clients, metrics);
  const meter = new Meter({
    cgroupParent: parts.paths.cgroupParent,
    pods: () => meteredPods(node),
    clock: parts.clock,
  });
  followSaved(parts, saved, node);
  const server = await serve({
    socket: parts.paths.agentSocket,
    runDirectory: dirname(parts.paths.agentSocket),
    shimProgram: parts.shimProgram,
    table: node.table,
    pods: () => node.manager.pods(),
    targets: new Targets(parts.paths, node.table, (namespace, name) => node.manager.find(namespace, name)),
    images: saved.images,
    runtime: parts.runtime,
    imagesChanged: () => node.manager.pokeAll(),
    health: nodeHealth({ ...node, runtime: parts.runtime }),
    pages: await figurePages(parts, meter, metrics),
    log: parts.log,
    now: parts.clock.wall,
    signal: parts.signal,
  });
  const collector = new ImageCollector({
    ...parts,
    images: saved.images,
    directory: parts.paths.images,
    used: () => usedImages(saved, node),
  });
  const disk: DiskParts = {
    ...parts,
    native: parts.images,
    table: node.table,
    pods: () => node.manager.pods(),
    evict: (uid, why) => node.manager.evict(uid, why),
  };
  const watching = Promise.all([
    watchRuntime(parts, node),
    node.table.endLost(parts.signal),
    parts.keepAddress(() => node.manager.addressChanged()),
    node.network.keep(parts.signal),
    node.routes.keep(parts.signal),
    rotateLogs(parts.paths, node.table, parts.clock.wall, parts.log, parts.signal),
    watchDiskLimits(disk),
    watchDiskPressure({ ...disk, clock: parts.clock, makeRoom: () => collector.makeRoom() }),
    collector.keep(),
  ]);
  // From here on the server is needed; all above goes on without it.
  const cluster = await greeted;
  if (before !== undefined && before.nodeCidr !== cluster.nodeCidr) {
    throw new Error(
      `Cannot go on as the node must have the range that it was given: it is ${cluster.nodeCidr} now, and was ` +
        `${before.nodeCidr}. It begins anew`,
    );
  }
  await Promise.all([
    followServer(parts, saved, node, clients, cluster, () => describe(cluster.kubernetesVersion)),
    reportUsage({ ...parts, meter, server: createClient(NodeService, parts.server), random: Math.random }),
    watching,
    server.finished,
  ]);
  saved.references.stop();
  node.prober.stopAll();
  await node.manager.settled();
  await saved.pods.flush();
}

/** What is saved is what the node does: at once for what is there, and with every change. */
function followSaved({ log }: AgentParts, saved: Saved, { manager, network }: OpenNode): void {
  const useReferences = () => saved.references.use(saved.pods.list());
  saved.pods.onChange((change) => {
    if (change.type === "removed") {
      useReferences();
      return manager.gone(change.object.metadata.uid);
    }
    const { object, old } = change;
    // Most changes are of a status.
    if (old === undefined || !equalJson(old.spec, object.spec)) useReferences();
    if (old !== undefined && old.metadata.uid !== object.metadata.uid) manager.gone(old.metadata.uid);
    manager.want(object);
  });
  const networkChanged = () => {
    network.changed().catch((error) => log.error("Cannot bring the network up to date", error));
  };
  saved.services.onChange(networkChanged);
  saved.slices.onChange(networkChanged);
  saved.references.onChange((reference) => manager.referenceChanged(reference));
  useReferences();
  for (const pod of saved.pods.list()) manager.want(pod);
  networkChanged();
}

/** Those of containers that are here, ended ones too, and those that pods of this node name. */
function usedImages({ images }: Saved, { table, manager }: OpenNode): Set<string> {
  const used = new Set(table.all().map((one) => one.imageId));
  for (const pod of manager.pods()) {
    const named = [
      ...containersOf(pod).map(({ container }) => container.image),
      ...(pod.spec?.volumes ?? []).map(({ image }) => image?.reference),
    ];
    for (const name of named) {
      try {
        const found = name === undefined ? undefined : images.find(name);
        if (found !== undefined) used.add(found.id);
      } catch {
        // A name that is none names no image.
      }
    }
  }
  return used;
}

/** Takes in what becomes of containers, and tells their workers. */
async function watchRuntime({ runtime, log, signal }: AgentParts, { table, manager }: OpenNode): Promise<void> {
  while (!signal.aborted) {
    try {
      for await (const { ids, containers } of runtime.watchContainers({}, { signal })) {
        if (ids.length > 0) {
          for (const uid of await table.tell(containers)) manager.poke(uid);
          continue;
        }
        // From here on nothing is missed.
        await table.refresh();
        manager.pokeAll();
      }
    } catch (error) {
      if (!signal.aborted) log.error("Cannot watch the containers", error);
    }
    await delay(1_000, signal).catch(() => {});
  }
}
