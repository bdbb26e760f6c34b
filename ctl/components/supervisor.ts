/** The supervisor as `k3ts` sees it: found by its unix socket, started when it is not there. */
import { type Client, createClient } from "@connectrpc/connect";
import { toJsonString } from "@bufbuild/protobuf";
import { setTimeout as delay } from "node:timers/promises";
import { type SupervisorConfig, SupervisorConfigSchema, SupervisorService } from "@k3ts/proto";
import { connectFrames, type FrameConnection, streamChannel } from "@k3ts/proto/frames";

export interface SupervisorLink extends AsyncDisposable {
  readonly supervisor: Client<typeof SupervisorService>;
  /** Resolves when the supervisor has gone. */
  readonly gone: Promise<unknown>;
}

const START_MS_MAX = 10_000;
const LOOK_EVERY_MS = 50;

/** @returns undefined when no supervisor answers for this data directory */
export async function findSupervisor(dataDir: string): Promise<SupervisorLink | undefined> {
  let socket: Deno.UnixConn;
  try {
    socket = await Deno.connect({ transport: "unix", path: `${dataDir}/run/supervisor.sock` });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused) return undefined;
    throw error;
  }
  return linkOver(connectFrames(streamChannel(socket), { side: "dialer" }));
}

function linkOver(connection: FrameConnection): SupervisorLink {
  return {
    supervisor: createClient(SupervisorService, connection.transport),
    gone: connection.closed,
    [Symbol.asyncDispose]: () => connection.close(),
  };
}

/** Writes the configuration and starts a supervisor that outlives us. @throws with what it said when it does not come up */
export async function startSupervisor(
  dataDir: string,
  native: string,
  config: SupervisorConfig,
): Promise<SupervisorLink> {
  await Deno.mkdir(`${dataDir}/run`, { recursive: true, mode: 0o700 });
  await Deno.mkdir(`${dataDir}/logs`, { recursive: true, mode: 0o700 });
  const path = `${dataDir}/run/supervisor.json`;
  await Deno.writeTextFile(`${path}.next`, toJsonString(SupervisorConfigSchema, config, { prettySpaces: 2 }), {
    mode: 0o600,
  });
  await Deno.rename(`${path}.next`, path);
  const child = new Deno.Command(`${native}/k3ts-supervisor`, {
    args: ["--data-dir", dataDir],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
    detached: true,
  }).spawn();
  child.unref();
  const complaint = new Response(child.stderr).text();
  const deadline = Date.now() + START_MS_MAX;
  let ended = false;
  child.status.then(() => ended = true);
  while (Date.now() < deadline) {
    const link = await findSupervisor(dataDir);
    if (link !== undefined) return link;
    if (ended) {
      throw new SupervisorProblem((await complaint).trim() || "The supervisor ended as soon as it was started.");
    }
    await delay(LOOK_EVERY_MS);
  }
  throw new SupervisorProblem(`The supervisor did not answer within ${START_MS_MAX / 1000} s.`);
}

/** A sentence for a person; shown without a stack. */
export class SupervisorProblem extends Error {}
