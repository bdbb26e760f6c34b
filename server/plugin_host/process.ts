/**
 * One life of a plugin process: a Deno process without any permission, whose standard streams carry frames in
 * both directions. What it may read and write it reads and writes through us, as the identities granted to it.
 */
import { Code, ConnectError, createClient, type HandlerContext } from "@connectrpc/connect";
import type { MetricsSource } from "@k3ts/client/telemetry";
import {
  MetricsService,
  type PluginController,
  type PluginLog_Level,
  PluginService,
  type RunResponse,
} from "@k3ts/proto";
import { connectFrames, type FrameConnection, processChannel, type Routes } from "@k3ts/proto/frames";

export interface PluginProcessOptions {
  /** Program and arguments. */
  command: readonly string[];
  /** What the plugin may call, given a way to tell who calls: throws PermissionDenied for an identity that is not granted. */
  routes: (userOf: (context: HandlerContext) => string) => Routes;
  /** Whether the plugin may act as this Kubernetes user. */
  mayActAs: (user: string) => boolean;
  serverVersion: string;
  /** PEM. */
  caCertificate: string;
  /** Told the process's id. */
  onSpawn?: (pid: number) => void;
  /** Told which controllers it runs, and how to ask for its figures. */
  onStarted: (controllers: PluginController[], metrics: MetricsSource) => void;
  /** What is below it is not reported. */
  leastLevel: PluginLog_Level;
  onReport: (report: RunResponse["report"]) => void;
}

/** The header in which a plugin names the identity that acts. */
export const IDENTITY_HEADER = "k3ts-identity";

/** Milliseconds that a process has to describe itself. */
const START_MS_MAX = 20_000;

/** Runs the process until the signal fires. @throws when it ends by itself */
export async function runPluginProcess(options: PluginProcessOptions, signal: AbortSignal): Promise<never> {
  const [program, ...args] = options.command as [string, ...string[]];
  await using child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
    clearEnv: true,
    env: environment(Deno.env.toObject()),
  }).spawn();
  options.onSpawn?.(child.pid);
  // It holds nothing that it would have to save, and must not be able to stay.
  using _end = { [Symbol.dispose]: () => kill(child) };
  await using connection = connectFrames(processChannel(child), {
    side: "dialer",
    routes: options.routes((context) => identityOf(context, options.mayActAs)),
    signal,
  });
  return await converse(connection, options, signal);
}

function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended already.
  }
}

async function converse(
  connection: FrameConnection,
  options: PluginProcessOptions,
  signal: AbortSignal,
): Promise<never> {
  const plugin = createClient(PluginService, connection.transport);
  const { controllers } = await plugin.describe({ serverVersion: options.serverVersion }, {
    signal,
    timeoutMs: START_MS_MAX,
  });
  for (const { name, user } of controllers) {
    if (!options.mayActAs(user)) {
      throw new Error(`Cannot run the controller "${name}" as its identity must be granted: it asks for ${user}`);
    }
  }
  const figures = createClient(MetricsService, connection.transport);
  options.onStarted(controllers, async (signal) => (await figures.getMetrics({}, { signal })).text);
  const { caCertificate, leastLevel } = options;
  for await (const { report } of plugin.run({ caCertificate, leastLevel }, { signal })) {
    options.onReport(report);
  }
  throw new Error("The plugin process ended its run although nobody had asked it to");
}

function identityOf(context: HandlerContext, mayActAs: (user: string) => boolean): string {
  const user = context.requestHeader.get(IDENTITY_HEADER) ?? "";
  if (mayActAs(user)) return user;
  throw new ConnectError(
    `Cannot act as "${user}" as the identity must be granted to the plugin`,
    Code.PermissionDenied,
  );
}

/**
 * Where Deno finds the packages that it has already fetched, and where it sends traces. Nothing of it reaches the
 * plugin, which may read no environment.
 */
function environment(own: Record<string, string>): Record<string, string> {
  const forDeno = Object.entries(own).filter(([name]) => /^(HOME|DENO_DIR|PATH|OTEL_.*)$/.test(name));
  return { ...Object.fromEntries(forDeno), OTEL_SERVICE_NAME: "k3ts-plugins" };
}
