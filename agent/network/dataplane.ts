/** Speaks to the dataplane: frames over its unix socket, a connection a call, as calls are rare. */
import { createClient } from "@connectrpc/connect";
import { DnsService, type LoadSnapshotResponse } from "@k3ts/proto";
import { connectFrames, streamChannel } from "@k3ts/proto/frames";

const TIMEOUT_MS = 5_000;

export function dataplaneAt(socket: string): { loadSnapshot(request: object): Promise<LoadSnapshotResponse> } {
  return {
    async loadSnapshot() {
      const stream = await Deno.connect({ transport: "unix", path: socket });
      await using connection = connectFrames(streamChannel(stream), { side: "dialer" });
      return await createClient(DnsService, connection.transport).loadSnapshot({}, { timeoutMs: TIMEOUT_MS });
    },
  };
}
