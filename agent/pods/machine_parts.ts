/** What pods are looked after with: everything of a node that a worker needs, as `main.ts` puts it together. */
import type { Client } from "@connectrpc/connect";
import type { ResourceClient } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import type { Clock, Pod, Service } from "@k3ts/model/objects";
import type { ImageService, RuntimeService } from "@k3ts/proto";
import type { Images } from "../images/images.ts";
import type { NodeNetwork } from "../network/node_network.ts";
import type { Paths } from "../paths.ts";
import type { References } from "../sync/references.ts";
import type { StatusOutbox } from "../sync/status_outbox.ts";
import type { Volumes } from "../volumes/volumes.ts";
import type { ContainerTable } from "./container_table.ts";
import type { Events } from "./events.ts";
import type { Prober } from "./prober.ts";

export interface NodeParts {
  paths: Paths;
  runtime: Client<typeof RuntimeService>;
  mounts: Pick<Client<typeof ImageService>, "changeFiles" | "listMounts" | "bindBelow">;
  images: Images;
  volumes: Volumes;
  network: NodeNetwork;
  table: ContainerTable;
  prober: Prober;
  references: References;
  outbox: StatusOutbox;
  events: Events;
  /** Told how long a pod took from its first sight until it ran. */
  podStarted?: (seconds: number) => void;
  /** At most so many processes in a pod. @default no limit */
  podProcessesMax?: number;
  log: Log;
  clock: Clock;
  pods: Pick<ResourceClient<Pod>, "delete">;
  services(namespace: string): Service[];
  /** Tells the pod's worker to look again. */
  poke(podUid: string): void;
  node: {
    address: string;
    cpuCores: number;
    memoryBytes: number;
    /** Changes with every boot: what was mounted before is gone. */
    bootId: string;
  };
  /** Ends with the agent. */
  signal: AbortSignal;
}
