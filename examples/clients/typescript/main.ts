/** Lists, watches and applies ConfigMaps of a k3ts cluster over gRPC. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Client, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import type { Status } from "kubernetes-types/meta/v1.js";
import type { ConfigMap } from "kubernetes-types/core/v1.js";
import { parse } from "yaml";
import { Encoding, EventType, PatchType, ResourceService, StatusDetailSchema } from "./gen/k3ts/v1/resource_pb.js";

const NAME = "from-typescript";

interface Kubeconfig {
  "current-context": string;
  contexts: { name: string; context: { cluster: string; user: string } }[];
  clusters: { name: string; cluster: { server: string; "certificate-authority-data": string } }[];
  users: { name: string; user: { "client-certificate-data": string; "client-key-data": string } }[];
}

async function main(): Promise<void> {
  const { namespace } = parseArgs({ options: { namespace: { type: "string", default: "default" } } }).values;
  const { session, client } = await connect();
  const all = { version: "v1", resource: "configmaps", namespace };
  const one = { ...all, name: NAME };
  try {
    const listed = await client.list({ resource: all, encoding: Encoding.JSON });
    console.log(`listed ${listed.objects.length} at revision ${listed.resourceVersion}`);

    const events = watch(client, {
      resource: all,
      encoding: Encoding.JSON,
      fieldSelector: `metadata.name=${NAME}`,
      resourceVersion: listed.resourceVersion,
    });
    for (const greeting of ["hello", "hello again"]) {
      await apply(client, one, greeting);
      console.log((await events.next()).value);
    }
    await client.delete({ resource: one });
    console.log(`deleted ${NAME}`);
    console.log((await events.next()).value);

    await client.get({ resource: one }).catch((error) => console.log(`get ${NAME}: ${reason(error)}`));
  } finally {
    session.abort();
  }
}

/** The cluster and the credentials of the kubeconfig's current context. */
async function connect() {
  const path = process.env.KUBECONFIG ?? join(homedir(), ".kube", "config");
  const config: Kubeconfig = parse(await readFile(path, "utf8"));
  const { context } = named(config.contexts, config["current-context"]);
  const { cluster } = named(config.clusters, context.cluster);
  const { user } = named(config.users, context.user);
  const pem = (data: string) => Buffer.from(data, "base64");
  const session = new Http2SessionManager(cluster.server, {}, {
    ca: pem(cluster["certificate-authority-data"]),
    cert: pem(user["client-certificate-data"]),
    key: pem(user["client-key-data"]),
  });
  const transport = createGrpcTransport({ baseUrl: cluster.server, sessionManager: session });
  return { session, client: createClient(ResourceService, transport) };
}

function named<Row extends { name: string }>(rows: Row[], name: string): Row {
  const row = rows.find((candidate) => candidate.name === name);
  if (row === undefined) throw new Error(`The kubeconfig has nothing called "${name}"`);
  return row;
}

type ResourceClient = Client<typeof ResourceService>;

/** A line an event. */
async function* watch(client: ResourceClient, request: Parameters<ResourceClient["watch"]>[0]): AsyncGenerator<string> {
  for await (const { events } of client.watch(request)) {
    for (const { type, object } of events) {
      const configMap: ConfigMap = decode(object);
      yield `watched ${EventType[type]} ${configMap.metadata?.name}: greeting=${configMap.data?.greeting}`;
    }
  }
}

async function apply(client: ResourceClient, one: { namespace: string; name: string }, greeting: string) {
  const configMap: ConfigMap = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: one.name, namespace: one.namespace },
    data: { greeting },
  };
  const { created } = await client.patch({
    resource: one,
    encoding: Encoding.JSON,
    type: PatchType.APPLY,
    patch: new TextEncoder().encode(JSON.stringify(configMap)),
    options: { fieldManager: "example-typescript" },
  });
  console.log(`applied ${one.name}: ${created ? "created" : "changed"}`);
}

/** Errors carry what the REST API would have answered: a meta/v1 Status. */
function reason(error: unknown): string {
  const [detail] = ConnectError.from(error).findDetails(StatusDetailSchema);
  return detail === undefined ? String(error) : (decode<Status>(detail.status).reason ?? "");
}

function decode<T>(bytes: Uint8Array): T {
  return JSON.parse(new TextDecoder().decode(bytes));
}

await main();
