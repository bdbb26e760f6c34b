/** Tells the server every now and then what this node and its pods use. */
import type { Client } from "@connectrpc/connect";
import { delay } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import type { NodeService } from "@k3ts/proto";
import type { Measured, Measurement, Meter } from "./meter.ts";

const PERIOD_MS = 15_000;
/** Of the period: nodes that were started together are not to speak together. */
const SPREAD = 0.2;
/** The first is soon, so that a node that has just come is known. */
const FIRST_MS = 2_000;
const CALL_MS_MAX = 10_000;

export interface ReportParts {
  meter: Meter;
  server: Pick<Client<typeof NodeService>, "reportUsage">;
  log: Log;
  /** From 0 to 1. */
  random: () => number;
  signal: AbortSignal;
}

/** Runs until the signal fires. */
export async function reportUsage({ meter, server, log, random, signal }: ReportParts): Promise<void> {
  let failures = 0;
  // Rates begin from here. What fails now is told of below, should it fail again.
  await meter.measure().catch(() => {});
  for (let wait = FIRST_MS * (1 + random()); !signal.aborted; wait = PERIOD_MS * (1 + SPREAD * (random() - 0.5))) {
    await delay(wait, signal).catch(() => {});
    if (signal.aborted) return;
    try {
      await server.reportUsage(reportOf(await meter.measure()), { signal, timeoutMs: CALL_MS_MAX });
      failures = 0;
    } catch (error) {
      // Once is enough: the server may be away for long.
      if (!signal.aborted && ++failures === 1) log.error("Cannot tell the server what this node uses", error);
    }
  }
}

/** What has no rate yet is told of the next time. */
export function reportOf({ node, pods }: Measurement) {
  const usage = usageOf(node);
  return {
    ...(usage !== undefined && { node: usage }),
    pods: pods.map(({ uid, containers }) => ({
      uid,
      containers: containers.flatMap((container) => {
        const usage = usageOf(container);
        return usage === undefined ? [] : [{ name: container.name, usage }];
      }),
    })),
  };
}

function usageOf({ rate, memory }: Measured) {
  return rate && {
    windowMs: rate.windowMs,
    cpuNanocores: BigInt(rate.nanocores),
    memoryBytes: BigInt(memory.workingSet),
  };
}
