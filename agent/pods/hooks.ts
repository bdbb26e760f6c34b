/** What a container asks to be done after its start and before its end (core/v1 Lifecycle; docs: "Container Lifecycle Hooks"). */
import { delay } from "@k3ts/client";
import type { LifecycleHandler } from "@k3ts/model/objects";
import { get, requestOf } from "./http_probe.ts";
import { portOf, type ProbeTarget } from "./probe.ts";

/**
 * Ends with the hook, or with the signal. An HTTP hook has done its work when it is answered, whatever the answer; one
 * that asks for HTTPS where only HTTP is spoken gets HTTP.
 *
 * @throws when it failed, or the signal's reason
 */
export async function runHook(hook: LifecycleHandler, target: ProbeTarget, signal: AbortSignal): Promise<void> {
  if (hook.sleep !== undefined) return await delay(hook.sleep.seconds * 1000, signal);
  if (hook.exec !== undefined) {
    const { code, output } = await target.exec(hook.exec.command ?? [], signal);
    if (code !== 0) throw new Error(`The command of a hook must end with exit 0: it ended with ${code}: ${output}`);
  } else if (hook.httpGet !== undefined) {
    const { url, headers } = requestOf(hook.httpGet, target, "kube-lifecycle/1.35");
    await get(url, headers, signal).catch(async (error) => {
      if (signal.aborted || url.protocol !== "https:" || !isNotTls(error)) throw error;
      const { authorization: _, ...rest } = headers;
      const plain = new URL(url);
      plain.protocol = "http:";
      plain.port = url.port || "443";
      await get(plain, rest, signal);
    });
  } else if (hook.tcpSocket !== undefined) {
    const { host, port } = hook.tcpSocket;
    (await Deno.connect({ hostname: host || target.address, port: portOf(target.container, port), signal })).close();
  }
}

/** What answered did not begin with a TLS record. */
function isNotTls(error: unknown): boolean {
  return error instanceof Error && /InvalidContentType|corrupt message|wrong version/i.test(error.message);
}
