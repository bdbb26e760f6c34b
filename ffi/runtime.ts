/** Containers on this machine. */
import { type Client, createClient } from "@connectrpc/connect";
import { RuntimeService } from "@k3ts/proto";
import type { Native } from "./native.ts";

export type Runtime = Client<typeof RuntimeService>;

export function openRuntime(native: Pick<Native, "transport">): Runtime {
  return createClient(RuntimeService, native.transport);
}
