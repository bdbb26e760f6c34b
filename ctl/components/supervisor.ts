/** The supervisor as `k3ts` sees it: found by its unix socket, started when it is not there. */
import { type Client, createClient } from "@connectrpc/connect";
import { toJsonString } from "@bufbuild/protobuf";
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { delay } from "@k3ts/client";
import { type SupervisorConfig, SupervisorConfigSchema, SupervisorService } from "@k3ts/proto";
import { connectFrames, type FrameConnection, streamChannel } from "@k3ts/proto/frames";
import { Problem } from "../problem.ts";

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
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new Problem(`Only root may ask what runs on ${dataDir}.`, "Run it again with sudo.", { cause: error });
    }
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

/** What a supervisor started without one would use: that of the last. */
export async function writeConfig(dataDir: string, config: SupervisorConfig): Promise<void> {
  await Deno.mkdir(`${dataDir}/run`, { recursive: true, mode: 0o700 });
  const path = `${dataDir}/run/supervisor.json`;
  const text = toJsonString(SupervisorConfigSchema, config, { prettySpaces: 2 });
  await Deno.writeTextFile(`${path}.next`, text, { mode: 0o600 });
  await Deno.rename(`${path}.next`, path);
}

/** Starts a supervisor that outlives us. @throws with what it said when it does not come up */
export async function startSupervisor(dataDir: string, native: string): Promise<SupervisorLink> {
  await Deno.mkdir(`${dataDir}/logs`, { recursive: true, mode: 0o700 });
  const log = `${dataDir}/logs/supervisor.log`;
  const said = (await Deno.stat(log).catch(() => undefined))?.size ?? 0;
  const end = spawnDetached(`${native}/k3ts-supervisor`, ["--data-dir", dataDir], log);
  const deadline = performance.now() + START_MS_MAX;
  let ended: string | undefined;
  end.then((reason) => ended = reason);
  while (performance.now() < deadline) {
    const link = await findSupervisor(dataDir);
    if (link !== undefined) return link;
    if (ended !== undefined) {
      const complaint = new TextDecoder().decode((await Deno.readFile(log)).subarray(said)).trim();
      throw new Problem(sentence(complaint) ?? `The supervisor could not be started: ${ended}.`);
    }
    await delay(LOOK_EVERY_MS);
  }
  throw new Problem(`The supervisor did not answer within ${START_MS_MAX / 1000} s.`, `Its log: ${log}`);
}

/** In a session of its own, so that Ctrl-C does not reach it, writing to a file. @returns how it ended, if it does */
function spawnDetached(program: string, args: string[], log: string): Promise<string> {
  const fd = openSync(log, "a", 0o600);
  try {
    const child = spawn(program, args, { stdio: ["ignore", "ignore", fd], detached: true });
    child.unref();
    return new Promise((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("exit", (code, signal) => resolve(signal ?? `exit ${code}`));
    });
  } finally {
    closeSync(fd);
  }
}

/** What the last line of its log says. */
function sentence(complaint: string): string | undefined {
  const last = complaint.split("\n").at(-1);
  const message = / msg=("(?:[^"\\]|\\.)*")/.exec(last ?? "")?.[1];
  return message === undefined ? last || undefined : JSON.parse(message);
}
