/**
 * Exchanges the node's certificate for a younger one in time: at about two thirds of its life. The files are replaced
 * together, and every call from then on is made with the new one; calls that are open go on.
 */
import { createClient } from "@connectrpc/connect";
import { backoffMs, delay, type KeyPair, type RenewableTransport, renewalAt, validityOf } from "@k3ts/client";
import type { Log } from "@k3ts/client/telemetry";
import { NodeService } from "@k3ts/proto";
import { replaceCertificate } from "./identity.ts";
import type { Paths } from "./paths.ts";

export interface RenewalParts {
  paths: Paths;
  nodeName: string;
  /** Made with the present certificate. */
  server: RenewableTransport;
  /** Joins again by the token that somebody has brought; undefined while there is none. */
  rejoin: () => Promise<KeyPair | undefined>;
  log: Log;
  now: () => number;
  /** From 0 to 1. */
  random: () => number;
  signal: AbortSignal;
}

/** A timer cannot wait for longer than 24 days, and clocks are set. */
const LOOK_MS_MAX = 12 * 60 * 60 * 1000;
const LOOK_MS_MIN = 1_000;
const RETRY = { initialMs: 1_000, maxMs: 60_000 };
const CALL_MS_MAX = 15_000;

/** Runs until the signal fires. @param certificate the present one, PEM */
export async function keepCertificate(parts: RenewalParts, certificate: string): Promise<void> {
  const { now, random, log, signal } = parts;
  let validity = validityOf(certificate);
  let due = renewalAt(validity, random());
  let failures = 0;
  while (!signal.aborted) {
    if (now() < due) {
      await delay(Math.min(Math.max(due - now(), LOOK_MS_MIN), LOOK_MS_MAX), signal).catch(() => {});
      continue;
    }
    try {
      const isOver = now() >= validity.notAfter;
      const pair = (isOver ? await parts.rejoin() : undefined) ?? await renew(parts);
      parts.server.renew(pair);
      validity = validityOf(pair.certificate);
      due = renewalAt(validity, random());
      failures = 0;
      log.info("The node's certificate is renewed", { until: new Date(validity.notAfter).toISOString() });
    } catch (error) {
      if (signal.aborted) return;
      failures++;
      log.error(explain(validity.notAfter, now()), error);
      await delay(backoffMs(failures, RETRY), signal).catch(() => {});
    }
  }
}

async function renew({ paths, nodeName, server, signal }: RenewalParts): Promise<KeyPair> {
  // Loaded when it is needed: what makes certificates is large, and needed a few times a year.
  const { makeRequest } = await import("./join.ts");
  const { request, key } = await makeRequest(nodeName);
  const { certificate } = await createClient(NodeService, server)
    .renewCertificate({ certificateRequest: request }, { signal, timeoutMs: CALL_MS_MAX });
  const pair = { certificate, key };
  await replaceCertificate(paths, pair);
  return pair;
}

function explain(notAfter: number, now: number): string {
  if (now < notAfter) return "Cannot renew the node's certificate yet";
  return `Cannot renew the node's certificate as it must not have ended: it ended ${
    new Date(notAfter).toISOString()
  }. ` +
    "Join again with a token that is made for this node: k3ts token create --node NAME";
}
