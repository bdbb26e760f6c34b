/** Containers on this machine. */
import { join } from "node:path";
import { type Client, createClient } from "@connectrpc/connect";
import { RuntimeService } from "@k3ts/proto";
import { nativeFolder } from "./library.ts";
import type { Native } from "./native.ts";

export type Runtime = Client<typeof RuntimeService>;

export interface RuntimeOptions {
  /** Absolute; made if missing. Holds what is known of every container, also when nobody runs. */
  stateDirectory: string;
  /** The OCI runtime: an absolute path, or a name on the PATH. @default "crun" */
  runtimeBinary?: string;
  /** @default `k3ts-shim` beside the library */
  shimBinary?: string;
}

/** The program that stays with containers and reaches into their networks. */
export function shimProgram(): string {
  return join(nativeFolder(), "k3ts-shim");
}

/**
 * Opens the runtime. A process has one: opened again with the same options, it is the same.
 * @throws {ConnectError} when the runtime or the shim is missing
 */
export async function openRuntime(native: Pick<Native, "transport">, options: RuntimeOptions): Promise<Runtime> {
  const { stateDirectory, runtimeBinary, shimBinary = shimProgram() } = options;
  const runtime = createClient(RuntimeService, native.transport);
  await runtime.open({ stateDirectory, runtimeBinary, shimBinary });
  return runtime;
}
