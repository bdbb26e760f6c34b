/**
 * The few controllers whose relations are not known when they are written: those that look at every resource that
 * the server has. They observe and plan by themselves; whoever can use `controller` does.
 */
import type { ResourceClients } from "@k3ts/client";
import type { Clock } from "@k3ts/model/objects";
import type { ControllerWatch } from "./controller_metrics.ts";
import type { SharedInformers } from "./informers.ts";

export interface DaemonContext {
  informers: SharedInformers;
  /** Clients that speak as the daemon. */
  clients: ResourceClients;
  clock: Clock;
  onSynced: () => void;
  onFailure: (object: string, error: Error) => void;
  /** Told of its work, and given to its queue. */
  watch?: ControllerWatch;
}

export interface Daemon {
  name: string;
  user: string;
  /** As which it writes (`metadata.managedFields`). */
  component: string;
  /** Runs until the signal fires. */
  run: (context: DaemonContext, signal: AbortSignal) => Promise<void>;
}
