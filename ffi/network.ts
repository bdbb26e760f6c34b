/** Interfaces, addresses and packet rules of this machine. */
import { type Client, createClient } from "@connectrpc/connect";
import { NetworkService } from "@k3ts/proto";
import type { Native } from "./native.ts";

export type Network = Client<typeof NetworkService>;

/** The calls of NetworkService. Nothing has to be closed: they are as long-lived as `native`. */
export function openNetwork(native: Pick<Native, "transport">): Network {
  return createClient(NetworkService, native.transport);
}
