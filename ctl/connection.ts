/** From a kubeconfig to a cluster that can be asked. */
import type { Interceptor, Transport } from "@connectrpc/connect";
import {
  type ClusterAccess,
  createHttp2Transport,
  createResourceClient,
  loadKubeconfig,
  type ResourceClients,
} from "@k3ts/client";
import { resolve } from "node:path";
import { Problem } from "./problem.ts";
import { type RestClient, restClient } from "./rest.ts";

export const DATA_DIR = "/var/lib/k3ts";

export interface ConnectionOptions {
  kubeconfig?: string;
  context?: string;
  /** Instead of a kubeconfig: where the server of the cluster keeps its files, the admin's kubeconfig among them. */
  dataDir?: string;
  /** Whom to be taken for. */
  as?: string;
  asGroup?: string[];
  asUid?: string;
}

export interface Connection extends Disposable {
  access: ClusterAccess;
  transport: Transport;
  clients: ResourceClients;
  /** For what is no object, such as OpenAPI. */
  rest: RestClient;
}

/** Where no kubeconfig is named: `KUBECONFIG`, the cluster of this machine, `~/.kube/config`. */
export async function connect(options: ConnectionOptions): Promise<Connection> {
  return connectTo(await loadAccess(options), impersonation(options));
}

/** @param headers sent with every request */
export function connectTo(access: ClusterAccess, headers: [string, string][] = []): Connection {
  const transport = createHttp2Transport({
    ...access,
    ...(headers.length > 0 && { interceptors: [withHeaders(headers)] }),
  });
  const rest = restClient(access, headers);
  const clients = createResourceClient(transport, {
    fieldManager: "k3ts",
    onWarning: (warning) => console.error(`Warning: ${warning}`),
  });
  return {
    access,
    transport,
    clients,
    rest,
    [Symbol.dispose]() {
      transport.close();
      rest.close();
    },
  };
}

/** (kubernetes.io, "User impersonation") */
export function impersonation({ as, asGroup = [], asUid }: ConnectionOptions): [string, string][] {
  if (as === undefined && (asGroup.length > 0 || asUid !== undefined)) {
    throw new Problem("--as-group and --as-uid need --as: name the user too.");
  }
  const asked: [string, string, string | undefined][] = [
    ["--as", "impersonate-user", as],
    ...asGroup.map((group): [string, string, string] => ["--as-group", "impersonate-group", group]),
    ["--as-uid", "impersonate-uid", asUid],
  ];
  return asked.flatMap(([option, header, value]): [string, string][] => {
    if (value === undefined) return [];
    if (/\p{Cc}/u.test(value)) {
      throw new Problem(`${option} takes no control characters: it is ${JSON.stringify(value)}.`);
    }
    // A header is bytes: UTF-8, as kubectl sends them.
    return [[header, String.fromCharCode(...new TextEncoder().encode(value))]];
  });
}

function withHeaders(headers: [string, string][]): Interceptor {
  return (next) => (request) => {
    for (const [name, value] of headers) request.header.append(name, value);
    return next(request);
  };
}

/** Which kubeconfig is meant: undefined where it is the user's own. */
export async function kubeconfigPath(kubeconfig: string | undefined): Promise<string | undefined> {
  const local = `${Deno.env.get("K3TS_DATA_DIR") ?? DATA_DIR}/admin.kubeconfig`;
  const useLocal = kubeconfig === undefined && !Deno.env.get("KUBECONFIG") && await isReadable(local);
  return kubeconfig ?? (useLocal ? local : undefined);
}

export async function loadAccess({ kubeconfig, context, dataDir }: ConnectionOptions): Promise<ClusterAccess> {
  if (kubeconfig !== undefined && dataDir !== undefined) {
    throw new Problem("A cluster is named once: both --kubeconfig and --data-dir are given.");
  }
  const path = dataDir === undefined ? await kubeconfigPath(kubeconfig) : `${resolve(dataDir)}/admin.kubeconfig`;
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
