/** What a container asks to be done after its start and before its end (core/v1 Lifecycle). */
import { delay } from "@k3ts/client";
import type { LifecycleHandler } from "@k3ts/model/objects";
import { probe, type ProbeTarget } from "./probe.ts";

/** Ends with the hook, or when its time is over. Throws when it failed. */
export async function runHook(hook: LifecycleHandler, target: ProbeTarget, timeoutSeconds: number): Promise<void> {
  if (hook.sleep !== undefined) return await delay(Math.min(hook.sleep.seconds, timeoutSeconds) * 1000);
  const { ok, message } = await probe({ ...hook, timeoutSeconds }, target);
  if (!ok) throw new Error(`The hook of container "${target.container.name}" must succeed: ${message}`);
}
