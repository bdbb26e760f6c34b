/** Keeps a plugin process running: starts it, passes on what it reports, and starts it again when it has ended. */
import { backoffMs, delay } from "@k3ts/client";
import { type PluginController, PluginLog_Level, type RunResponse } from "@k3ts/proto";
import type { Log } from "@k3ts/client/telemetry";
import type { PluginState } from "./plugin_state.ts";
import { type PluginProcessOptions, runPluginProcess } from "./process.ts";

export interface PluginHostOptions extends Omit<PluginProcessOptions, "onStarted" | "onReport" | "leastLevel"> {
  log: Log;
  /** Told how far the plugins are. */
  state?: PluginState;
}

const BACKOFF = { initialMs: 100, maxMs: 10_000 };
/** A process that lived so long starts again at once. */
const STABLE_MS = 30_000;

/** Runs until the signal fires; never rejects. */
export async function hostPlugins(options: PluginHostOptions, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const started = performance.now();
    try {
      await runPluginProcess({
        ...options,
        leastLevel: leastLevelOf(options.log),
        onStarted: (controllers, metrics) => {
          options.state?.started(controllers.map(({ name }) => name), metrics);
          options.log.info("The plugins have started", { controllers: names(controllers) });
        },
        onReport: (report) => {
          if (report.case === "controllerSynced") options.state?.synced(report.value);
          pass(report, options.log);
        },
      }, signal);
    } catch (error) {
      options.state?.ended();
      if (signal.aborted) return;
      options.log.error("The plugins have ended and start again", error);
    }
    failures = performance.now() - started > STABLE_MS ? 1 : failures + 1;
    await delay(backoffMs(failures, BACKOFF), signal).catch(() => {}); // rejects only when the signal fires
  }
}

function names(controllers: readonly PluginController[]): string {
  return controllers.map((controller) => controller.name).join(", ");
}

const LEVELS = {
  [PluginLog_Level.UNSPECIFIED]: "info",
  [PluginLog_Level.DEBUG]: "debug",
  [PluginLog_Level.INFO]: "info",
  [PluginLog_Level.WARN]: "warn",
  [PluginLog_Level.ERROR]: "error",
} as const;

function leastLevelOf({ level }: Log): PluginLog_Level {
  const [found] = Object.entries(LEVELS).filter(([number]) => Number(number) !== PluginLog_Level.UNSPECIFIED)
    .find(([, name]) => name === level)!;
  return Number(found);
}

function pass(report: RunResponse["report"], log: Log): void {
  if (report.case === "controllerSynced") log.debug("A controller knows the cluster", { controller: report.value });
  if (report.case !== "log") return;
  const { level, controller, message, object, error } = report.value;
  log.say(LEVELS[level], message, { controller, ...(object !== "" && { object }), ...(error !== "" && { error }) });
}
