/**
 * An agent whose server never answers, for tests: it has nothing to go by but what is saved in its data directory.
 *
 *     deno run -A agent/testing/offline_agent.ts DATA_DIR
 */
import { Code, ConnectError } from "@connectrpc/connect";
import type { RenewableTransport } from "@k3ts/client";
import { createLog } from "@k3ts/client/telemetry";
import { openImages, openNative, openNetwork, openRuntime, shimProgram } from "@k3ts/ffi";
import { systemClock } from "@k3ts/model/objects";
import { runAgent } from "../agent.ts";
import { exists } from "../files.ts";
import { readMachineFacts } from "../node/facts.ts";
import { LEASE_SECONDS } from "../node/lease.ts";
import { pathsOf } from "../paths.ts";

const unavailable = () => Promise.reject(new ConnectError("there is no server", Code.Unavailable));
const NOBODY: RenewableTransport = {
  unary: unavailable,
  stream: unavailable,
  renew() {},
  reconnect() {},
  [Symbol.dispose]() {},
};

const paths = pathsOf(Deno.args[0]!);
// How a test that fails ends what it has begun.
if (await exists(`${paths.dataDir}/stop`)) Deno.exit(0);
const stop = new AbortController();
Deno.addSignalListener("SIGTERM", () => stop.abort(new Error("told to end")));
await Deno.mkdir(`${paths.dataDir}/run`, { recursive: true, mode: 0o700 });
await using native = await openNative();
const runtime = await openRuntime(native, { stateDirectory: paths.runtimeState });
await Deno.writeTextFile(`${paths.dataDir}/agent.pid`, String(Deno.pid));
try {
  await runAgent({
    paths,
    nodeName: "lone",
    version: "0.0.0",
    facts: await readMachineFacts(paths.dataDir, "127.0.0.1"),
    keepAddress: () => Promise.resolve(),
    leaseSeconds: LEASE_SECONDS,
    server: NOBODY,
    runtime,
    shimProgram: shimProgram(),
    images: openImages(native),
    network: openNetwork(native),
    dns: { loadSnapshot: unavailable },
    log: createLog((line) => console.error(line), systemClock.wall),
    clock: systemClock,
    signal: stop.signal,
  });
} catch (error) {
  if (!stop.signal.aborted) throw error;
}
Deno.exit(0);
