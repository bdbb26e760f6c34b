/** One way to run both forms of controllers. */
import type { Controller } from "./controller.ts";
import type { Daemon, DaemonContext } from "./daemon.ts";
import { eventRecorder } from "./events.ts";
import { runController, type RunnerOptions } from "./runner.ts";

export type RunOptions = DaemonContext & Pick<RunnerOptions, "onReconciled">;

/** Runs until the signal fires. */
export async function startController(
  controller: Controller | Daemon,
  options: RunOptions,
  signal: AbortSignal,
): Promise<void> {
  if ("run" in controller) return await controller.run(options, signal);
  const recorder = eventRecorder({
    clients: options.clients,
    component: controller.component,
    clock: options.clock,
    onError: (error) => options.onFailure("event", error),
    signal,
  });
  await runController(controller, { ...options, recorder }, signal);
}
