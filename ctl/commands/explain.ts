/** `k3ts explain`: the fields of a kind, from the server's OpenAPI documents. */
import type { Command } from "commander";
import { type ClusterOptions, clusterOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { renderExplanation } from "../explain/render.ts";
import { fieldAt, type OpenApi, schemaOf } from "../explain/schema.ts";
import { apiVersionOf, findResource } from "../names.ts";
import { parseWholeNumber } from "../numbers.ts";
import { Problem } from "../problem.ts";

interface ExplainOptions extends ClusterOptions {
  recursive?: boolean;
  maxDepth?: string;
  apiVersion?: string;
}

export function registerExplain(program: Command): void {
  clusterOptions(program.command("explain <resource>"))
    .description("the fields of a kind: k3ts explain pod.spec.containers")
    .option("--recursive", "and the fields of its fields")
    .option("--max-depth <levels>", "with --recursive: how deep")
    .option("--api-version <version>", "of this version: apps/v1")
    .action((word: string, options: ExplainOptions) =>
      withCluster(options, (connection) => explain(word, options, connection))
    );
}

async function explain(word: string, options: ExplainOptions, { clients, rest }: Connection): Promise<void> {
  const { kind, path, apiVersion } = await resolve(word, options, clients);
  const index = await rest.get("/openapi/v3") as { paths: Record<string, { serverRelativeURL: string }> };
  const place = apiVersion.includes("/") ? `apis/${apiVersion}` : `api/${apiVersion}`;
  const url = index.paths[place]?.serverRelativeURL;
  if (url === undefined) throw new Problem(`The server does not tell of the fields of ${apiVersion}.`);
  const document = await rest.get(url) as OpenApi;
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") as [string, string] : ["", apiVersion];
  const name = { group, version, kind };
  const field = fieldAt(document, schemaOf(document, name), path);
  console.log(renderExplanation(document, name, path, field, {
    recursive: options.recursive ?? false,
    ...(options.maxDepth !== undefined && { depthMax: parseWholeNumber("--max-depth", options.maxDepth) }),
  }));
}

/** `pods.spec`, and `deployments.apps.spec`, whose second word is a group. */
async function resolve(word: string, { apiVersion }: ExplainOptions, clients: Connection["clients"]) {
  const discovered = await clients.discover();
  const words = word.split(".").filter((part) => part !== "");
  const groups = new Set(discovered.map(({ group }) => group));
  const inGroup = [...groups].filter((group) => group !== "")
    .find((group) => word === `${words[0]}.${group}` || word.startsWith(`${words[0]}.${group}.`));
  const skipped = inGroup === undefined ? 1 : 1 + inGroup.split(".").length;
  const resource = findResource(words.slice(0, skipped).join("."), discovered);
  if (apiVersion !== undefined) {
    const served = discovered.filter(({ kind }) => kind === resource.kind).map(apiVersionOf);
    if (!served.includes(apiVersion)) {
      throw new Problem(`${resource.kind} is not served as ${apiVersion}, but as ${served.join(", ")}.`);
    }
  }
  return { kind: resource.kind, path: words.slice(skipped), apiVersion: apiVersion ?? apiVersionOf(resource) };
}
