/**
 * The agent's process:
 *
 *     deno run -A agent/main.ts --data-dir D --server https://127.0.0.1:6443 [--token-file F] [--node-name NAME]
 *       [--node-ip ADDRESS] [--cgroup-parent NAME] [--node-lease-duration SECONDS]
 *     deno run -A agent/main.ts --data-dir D --remove-all
 *
 * The second form ends all containers of this machine and takes away what was made for them.
 */
import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { createRenewableTransport } from "@k3ts/client";
import { type Log, processLog } from "@k3ts/client/telemetry";
import { openImages, openNative, openNetwork, openRuntime, shimProgram } from "@k3ts/ffi";
import { systemClock } from "@k3ts/model/objects";
import { runAgent } from "./agent.ts";
import { keepCertificate } from "./certificate_renewal.ts";
import { removeAll } from "./cleanup.ts";
import { exists, readTextIfThere, removeIfThere, writeAtomically } from "./files.ts";
import { type Identity, readIdentity } from "./identity.ts";
import type { JoinOptions } from "./join.ts";
import { dataplaneAt } from "./network/dataplane.ts";
import { addressSources, findNodeAddress, keepNodeAddress } from "./node/address.ts";
import { readMachineFacts } from "./node/facts.ts";
import { LEASE_SECONDS } from "./node/lease.ts";
import { pathsOf } from "./paths.ts";
import { CGROUP_PARENT, isCgroupName } from "./runtime/cgroups.ts";
import about from "./deno.json" with { type: "json" };

const DATA_DIR = "/var/lib/k3ts";

async function main(log: Log): Promise<number> {
  const { values } = parseArgs({
    options: {
      "data-dir": { type: "string", default: DATA_DIR },
      server: { type: "string", default: "https://127.0.0.1:6443" },
      "token-file": { type: "string" },
      "node-name": { type: "string" },
      "node-ip": { type: "string" },
      "cgroup-parent": { type: "string" },
      runtime: { type: "string" },
      "node-lease-duration": { type: "string", default: `${LEASE_SECONDS}` },
      "pod-pids-limit": { type: "string", default: "-1" },
      "remove-all": { type: "boolean", default: false },
    },
  });
  const dataDir = values["data-dir"];
  await Deno.mkdir(`${dataDir}/node`, { recursive: true, mode: 0o700 });
  await Deno.mkdir(`${dataDir}/run`, { recursive: true, mode: 0o700 });
  const paths = pathsOf(dataDir, await cgroupParentOf(dataDir, values["cgroup-parent"]));

  // What one runtime has made no other can end: it may be chosen anew when `--remove-all` has left nothing.
  const runtimeBinary = await kept(paths.runtimeName, "runtime", values.runtime, "crun");

  await using native = await openNative();
  const parts = {
    paths,
    runtime: await openRuntime(native, { stateDirectory: paths.runtimeState, runtimeBinary }),
    images: openImages(native),
    network: openNetwork(native),
  };
  if (values["remove-all"]) {
    const errors = await removeAll(parts);
    if (errors.length === 0) await removeIfThere(paths.runtimeName);
    for (const error of errors) log.error("Cannot take everything away", error);
    return errors.length === 0 ? 0 : 1;
  }

  const signal = untilTold(log);
  const otherwise = hostname().toLowerCase();
  // Until it has joined a machine may be called otherwise, such as when its name is another's.
  const nodeName = await exists(paths.nodeCertificate)
    ? await kept(paths.nodeName, "name", values["node-name"], otherwise)
    : values["node-name"] ?? otherwise;
  const tokenFile = values["token-file"] ?? paths.token;
  const joining = { paths, server: values.server, tokenFile, nodeName, log, signal };
  const identity = await readIdentity(paths, tokenFile, systemClock.wall()) ?? await joinNow(joining);
  await kept(paths.nodeName, "name", nodeName, nodeName);
  using server = createRenewableTransport({
    url: values.server,
    caCertificate: identity.ca,
    certificate: identity.certificate,
    key: identity.key,
  });
  const sources = addressSources(parts.network);
  const givenAddress = values["node-ip"];
  const facts = await readMachineFacts(paths.dataDir, givenAddress ?? await findNodeAddress(values.server, sources));
  const running = runAgent({
    ...parts,
    shimProgram: shimProgram(),
    nodeName,
    version: about.version,
    facts,
    keepAddress: async (changed) => {
      if (givenAddress === undefined) await keepNodeAddress(facts, values.server, sources, changed, log, signal);
    },
    leaseSeconds: positive("node-lease-duration", values["node-lease-duration"]),
    ...processesLimit(values["pod-pids-limit"]),
    server,
    dns: dataplaneAt(paths.dataplaneSocket),
    log,
    clock: systemClock,
    signal,
  });
  const rejoin = async () => await exists(tokenFile) ? await joinNow(joining) : undefined;
  const renewal = { paths, nodeName, server, rejoin, log, now: systemClock.wall, random: Math.random, signal };
  await Promise.all([running, keepCertificate(renewal, identity.certificate)]);
  return 0;
}

/** As the kubelet's `podPidsLimit`: -1 is none. */
function processesLimit(text: string): { podProcessesMax?: number } {
  return text === "-1" ? {} : { podProcessesMax: positive("pod-pids-limit", text) };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!(value >= 1)) throw new Error(`Cannot start the node as --${option} must be a number from 1: it is "${text}"`);
  return value;
}

/** Loaded when it is needed: what makes certificates is large, and needed once in a node's life. */
async function joinNow(options: JoinOptions): Promise<Identity> {
  const { join, JoinRefused } = await import("./join.ts");
  try {
    return (await join(options)).identity;
  } catch (error) {
    // Whoever has started us tells a person, who has to do something about it.
    if (error instanceof JoinRefused) await writeAtomically(options.paths.refusal, error.message);
    throw error;
  }
}

async function cgroupParentOf(dataDir: string, given: string | undefined): Promise<string> {
  if (given !== undefined && !isCgroupName(given)) {
    throw new Error(`Cannot start the node as --cgroup-parent must be the name of a cgroup: it is "${given}"`);
  }
  return await kept(`${dataDir}/node/cgroup-parent`, "cgroup parent", given, CGROUP_PARENT);
}

/** What a node was first given it keeps for ever: its name, and what is named after it. */
async function kept(path: string, what: string, given: string | undefined, otherwise: string): Promise<string> {
  const saved = (await readTextIfThere(path))?.trim();
  const value = saved ?? given ?? otherwise;
  if (saved !== undefined && given !== undefined && saved !== given) {
    throw new Error(`Cannot start the node with the ${what} "${given}" as it keeps its ${what}: it is "${saved}"`);
  }
  if (saved === undefined) await writeAtomically(path, `${value}\n`);
  return value;
}

function untilTold(log: Log): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(name, () => {
      log.info("Ending; containers go on", { signal: name });
      controller.abort(new Error(`Ended by ${name}`));
    });
  }
  return controller.signal;
}

const log = processLog();
try {
  Deno.exit(await main(log));
} catch (error) {
  // An end that was asked for, before everything had begun.
  if (error instanceof Error && /^Ended by SIG/.test(error.message)) Deno.exit(0);
  log.error("The agent ends", error);
  Deno.exit(1);
}
