/** From a kubeconfig to a cluster that can be asked. */
import type { Transport } from "@connectrpc/connect";
import {
  type ClusterAccess,
  createHttp2Transport,
  createResourceClient,
  loadKubeconfig,
  type ResourceClients,
} from "@k3ts/client";
import { Problem } from "./problem.ts";

export const DATA_DIR = "/var/lib/k3ts";

export interface ConnectionOptions {
  kubeconfig?: string;
  context?: string;
}

export interface Connection extends Disposable {
  access: ClusterAccess;
  transport: Transport;
  clients: ResourceClients;
}

/** Where no kubeconfig is named: `KUBECONFIG`, the cluster of this machine, `~/.kube/config`. */
export async function connect(options: ConnectionOptions): Promise<Connection> {
  return connectTo(await load(options));
}

export function connectTo(access: ClusterAccess): Connection {
  const transport = createHttp2Transport(access);
  const clients = createResourceClient(transport, {
    fieldManager: "k3ts",
    onWarning: (warning) => console.error(`Warning: ${warning}`),
  });
  return { access, transport, clients, [Symbol.dispose]: () => transport.close() };
}

async function load({ kubeconfig, context }: ConnectionOptions): Promise<ClusterAccess> {
  const local = `${Deno.env.get("K3TS_DATA_DIR") ?? DATA_DIR}/admin.kubeconfig`;
  const useLocal = kubeconfig === undefined && !Deno.env.get("KUBECONFIG") && await isReadable(local);
  const path = kubeconfig ?? (useLocal ? local : undefined);
  try {
    return await loadKubeconfig({ ...(path !== undefined && { path }), ...(context !== undefined && { context }) });
  } catch (error) {
    throw new Problem(
      (error as Error).message,
      "Name a kubeconfig with --kubeconfig or KUBECONFIG, or start a cluster with `k3ts up`.",
      { cause: error },
    );
  }
}

async function isReadable(path: string): Promise<boolean> {
  return await Deno.open(path).then((file) => (file.close(), true), () => false);
}
