/** Which cluster this node belongs to, and what it was given there: D/node/state/cluster.json. */
import type { GetInfoResponse } from "@k3ts/proto";
import { readJsonIfThere, writeAtomically } from "./files.ts";
import type { Paths } from "./paths.ts";

export interface ClusterState {
  version: 1;
  clusterId: string;
  /** Grows with every writer of the store and every restore. */
  storeEpoch: number;
  kubernetesVersion: string;
  podCidr: string;
  serviceCidr: string;
  dnsAddress: string;
  clusterDomain: string;
  /** What the server gave this node. */
  nodeUid: string;
  nodeCidr: string;
}

export async function readClusterState(paths: Paths): Promise<ClusterState | undefined> {
  const state = await readJsonIfThere<ClusterState>(`${paths.state}/cluster.json`);
  if (state !== undefined && state.version !== 1) {
    throw new Error(`Cannot read the state of this node as its format must have version 1: it has ${state.version}`);
  }
  return state;
}

export async function writeClusterState(paths: Paths, state: ClusterState): Promise<void> {
  await Deno.mkdir(paths.state, { recursive: true, mode: 0o700 });
  await writeAtomically(`${paths.state}/cluster.json`, JSON.stringify(state));
}

/** What the server says, over what was saved. Throws when it is another cluster: nothing here is its. */
export function mergeClusterState(
  saved: ClusterState | undefined,
  info: GetInfoResponse,
  node: { uid: string; cidr: string },
): ClusterState {
  if (saved !== undefined && saved.clusterId !== info.clusterId) {
    throw new Error(
      `Cannot follow the server as this node belongs to cluster ${saved.clusterId}: the server is of ${info.clusterId}. ` +
        `Remove the node's folder of the data directory to join the other one`,
    );
  }
  return {
    version: 1,
    clusterId: info.clusterId,
    storeEpoch: Number(info.storeEpoch),
    kubernetesVersion: info.kubernetesVersion,
    podCidr: info.network?.podCidr ?? "",
    serviceCidr: info.network?.serviceCidr ?? "",
    dnsAddress: info.network?.dnsAddress ?? "",
    clusterDomain: info.network?.clusterDomain ?? "",
    nodeUid: node.uid,
    nodeCidr: node.cidr,
  };
}
