/** What a cluster's first kubeconfig holds. */
import { parse } from "yaml";
import type { TestMachine } from "./machine.ts";

/** In PEM. */
export async function readAdmin({ dataDir }: TestMachine): Promise<{ ca: string; cert: string; key: string }> {
  const { clusters, users } = parse(await Deno.readTextFile(`${dataDir}/admin.kubeconfig`)) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  return {
    ca: atob(clusters[0].cluster["certificate-authority-data"]!),
    cert: atob(users[0].user["client-certificate-data"]!),
    key: atob(users[0].user["client-key-data"]!),
  };
}
