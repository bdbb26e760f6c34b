/** `k3ts version`, `k3ts cluster info`, `k3ts node list`, `k3ts token`: what the cluster is, and who may join. */
import { createClient } from "@connectrpc/connect";
import type { Command } from "commander";
import { formatAge, resources } from "@k3ts/model/objects";
import { ClusterService } from "@k3ts/proto";
import { attempt, type ClusterOptions, clusterOptions, withCluster } from "../command.ts";
import { connect } from "../connection.ts";
import { align, renderTable } from "../output/table.ts";
import { parseDuration } from "../numbers.ts";
import { Problem } from "../problem.ts";
import { VERSION } from "../version.ts";

export function registerCluster(program: Command): void {
  clusterOptions(program.command("version"))
    .description("the versions of this program and of the server")
    .option("--client", "only of this program")
    .action((options: ClusterOptions & { client?: boolean }) => attempt(() => version(options)));

  const cluster = program.command("cluster").description("the cluster as a whole");
  clusterOptions(cluster.command("info"))
    .description("where the server is and what it runs")
    .action((options: ClusterOptions) =>
      withCluster(options, async ({ transport, access }) => {
        const info = await createClient(ClusterService, transport).getInfo({});
        console.log([
          `server:      ${access.url}`,
          `cluster:     ${info.clusterId}`,
          `version:     ${info.version} (Kubernetes API ${info.kubernetesVersion})`,
          `pods:        ${info.network?.podCidr}`,
          `services:    ${info.network?.serviceCidr}`,
          `dns:         ${info.network?.dnsAddress} (${info.network?.clusterDomain})`,
        ].join("\n"));
      })
    );

  const node = program.command("node").description("the machines of the cluster");
  clusterOptions(node.command("list"))
    .description("all nodes and their state")
    .action((options: ClusterOptions) =>
      withCluster(options, async ({ clients }) => {
        console.log(
          renderTable(await clients.of(resources.nodes).listTable(), {
            wide: true,
            withNamespace: false,
            withHeader: true,
          }),
        );
      })
    );

  registerTokens(program.command("token").description("join tokens"));
}

function registerTokens(token: Command): void {
  const command = (words: string) =>
    clusterOptions(token.command(words)).option(
      "--data-dir <path>",
      "instead of a kubeconfig: where the server, which is on this machine, keeps its files",
    );
  command("create")
    .description("a token with which one or more machines may join; shown once")
    .option("--ttl <duration>", "how long it is valid: 30m, 24h, 7d", "24h")
    .option("--node <name>", "only for the node of this name, also to join again; ends with its use")
    .option("--description <text>", "for whom it is", "")
    .action((options: ClusterOptions & { ttl: string; node?: string; description: string }) =>
      withCluster(options, async ({ transport, access }) => {
        const seconds = Math.ceil(parseDuration("--ttl", options.ttl));
        // The server takes none for its default.
        if (seconds === 0) throw new Problem(`--ttl must be longer than nothing: it is "${options.ttl}".`);
        const { token, expiresAt } = await createClient(ClusterService, transport).createToken({
          ttlSeconds: BigInt(seconds),
          nodeName: options.node ?? "",
          description: options.description,
        });
        console.log(token);
        console.error(`Valid until ${expiresAt}. On the machine that is to join:\n  ${joinCommand(access.url)}`);
      })
    );

  command("list")
    .description("the tokens that are valid, without their secrets")
    .action((options: ClusterOptions) =>
      withCluster(options, async ({ transport }) => {
        const { tokens } = await createClient(ClusterService, transport).listTokens({});
        if (tokens.length === 0) return console.error("No join token is valid. Make one: k3ts token create");
        const rows = tokens.map(({ id, expiresAt, nodeName, description }) => [
          id,
          formatAge(Date.parse(expiresAt) - Date.now()),
          nodeName || "<any>",
          description || "<none>",
        ]);
        console.log(align([["ID", "VALID FOR", "NODE", "DESCRIPTION"], ...rows]));
      })
    );

  command("delete <id...>")
    .description("nobody joins with it any more; who has joined stays")
    .action((ids: string[], options: ClusterOptions) =>
      withCluster(options, async ({ transport }) => {
        for (const token of ids) {
          await createClient(ClusterService, transport).deleteToken({ token });
          console.log(`token ${tokenName(token)} deleted`);
        }
      })
    );
}

/** What may be shown of a token. */
function tokenName(text: string): string {
  const parts = text.split(".");
  return parts.length === 4 ? parts[2]! : parts[0]!;
}

async function version(options: ClusterOptions & { client?: boolean }): Promise<void> {
  console.log(`k3ts ${VERSION} (deno ${Deno.version.deno})`);
  if (options.client) return;
  using connection = await connect(options);
  const info = await createClient(ClusterService, connection.transport).getInfo({});
  console.log(`server ${info.version} (Kubernetes API ${info.kubernetesVersion})`);
}

/** Our own address is of no use to another machine. */
export function joinCommand(url: string): string {
  const { hostname, port } = new URL(url);
  const isOwn = hostname === "localhost" || hostname === "[::1]" || hostname.startsWith("127.");
  return `k3ts agent --server ${isOwn ? `https://ADDRESS-OF-THE-SERVER:${port || 443}` : url} --token TOKEN`;
}
