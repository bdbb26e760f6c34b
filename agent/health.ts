/** Whether this node is well: what `/healthz` of the agent says. */
import type { Client } from "@connectrpc/connect";
import type { HealthChecks } from "@k3ts/client/telemetry";
import type { RuntimeService } from "@k3ts/proto";
import type { NodeNetwork } from "./network/node_network.ts";
import { BRIDGE } from "./network/pod_links.ts";
import type { PodManager } from "./pods/manager.ts";
import { podName } from "./pods/text.ts";
import type { StatusOutbox } from "./sync/status_outbox.ts";

export interface HealthParts {
  runtime: Pick<Client<typeof RuntimeService>, "version">;
  network: Pick<NodeNetwork, "problem">;
  manager: Pick<PodManager, "busiest">;
  outbox: Pick<StatusOutbox, "waiting">;
}

/** One round of looking after a pod: mounting and unpacking take a while, and are over by then. */
const ROUND_MS_MAX = 180_000;
/** Longer than a call to the server may take. */
const SEND_MS_MAX = 120_000;

/** A server that is away is no fault of the node. */
export function nodeHealth({ runtime, network, manager, outbox }: HealthParts): HealthChecks {
  return {
    live: {
      async runtime() {
        await runtime.version({});
        return undefined;
      },
      async network() {
        const links = await Deno.readTextFile("/proc/self/net/dev");
        if (!new RegExp(`^ *${BRIDGE}:`, "m").test(links)) return `the bridge ${BRIDGE} is gone`;
        return network.problem;
      },
      syncloop() {
        const { pod, ms } = manager.busiest() ?? { ms: 0 };
        return pod === undefined || ms < ROUND_MS_MAX
          ? undefined
          : `pod "${podName(pod)}" has been worked on for ${Math.round(ms / 1000)} s`;
      },
      outbox() {
        const { msMax } = outbox.waiting;
        return msMax < SEND_MS_MAX ? undefined : `a status has been on its way for ${Math.round(msMax / 1000)} s`;
      },
    },
    ready: {},
  };
}
