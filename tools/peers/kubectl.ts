/** Unmodified kubectls for tests. */
import { ensurePeer } from "./mod.ts";
import { GO_VERSIONS } from "./versions.ts";

const PEER_OF = {
  [GO_VERSIONS["kubectl-1.34"]]: "kubectl-1.34",
  [GO_VERSIONS["kubectl-1.35"]]: "kubectl-1.35",
  [GO_VERSIONS["kubectl-1.36"]]: "kubectl-1.36",
} as const;

export type KubectlVersion = keyof typeof PEER_OF;

/** That of the API that is served, and those a minor version around it, which Kubernetes promises to work. */
export const KUBECTL_VERSIONS = [
  GO_VERSIONS["kubectl-1.34"],
  GO_VERSIONS["kubectl-1.35"],
  GO_VERSIONS["kubectl-1.36"],
] as const;

/** @returns the path of the program */
export async function ensureKubectl(version: KubectlVersion = GO_VERSIONS["kubectl-1.35"]): Promise<string> {
  return await ensurePeer(PEER_OF[version]);
}
