/** The control plane of a cluster: the API over its store, and the plugins that reconcile. Speaks on a unix socket; the gateway speaks for it. */
import { createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { parseArgs } from "node:util";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import {
  type ApiServer,
  authenticatedUser,
  createApiServer,
  MASTERS,
  routeResources,
  serviceAccountOf,
  serviceAccountUser,
  type User,
} from "@k3ts/api";
import { createResourceClient } from "@k3ts/client";
import {
  gatherMetrics,
  type HealthChecks,
  keepProcessMetrics,
  Metrics,
  metricsAt,
  processLog,
} from "@k3ts/client/telemetry";
import { type EngineName, openNative } from "@k3ts/ffi";
import { KUBERNETES_VERSION, type Node, resources, systemClock } from "@k3ts/model";
import { ClusterService, NodeService } from "@k3ts/proto";
import { clusterService } from "./cluster/cluster_service.ts";
import { nodeService } from "./cluster/node_service.ts";
import { certificateProblem, ensurePki, keepCertificates, type PkiOptions } from "./cluster/pki.ts";
import { addressAt, type ClusterRanges } from "./cluster/ranges.ts";
import { TokenStore } from "./cluster/token_store.ts";
import { dispatch } from "./dispatch.ts";
import { restFace } from "./faces/rest.ts";
import { Fanout } from "./fanout/mod.ts";
import type { OnFault } from "./faults.ts";
import { userOf } from "./identity.ts";
import { hostPlugins } from "./plugin_host/host.ts";
import { PluginState } from "./plugin_host/plugin_state.ts";
import { diskStore } from "./stores/disk.ts";
import { countRequests } from "./telemetry/requests.ts";
import { keepCacheMetrics, timedStore } from "./telemetry/store_metrics.ts";
import { continueTrace, TRACING } from "./telemetry/tracing.ts";
import { metricsGroup } from "./usage/metrics_group.ts";
import { UsageTable } from "./usage/usage_table.ts";
import { VERSION } from "./version.ts";

const { values } = parseArgs({
  options: {
    "data-dir": { type: "string" },
    url: { type: "string" },
    address: { type: "string", multiple: true, default: [] },
    advertise: { type: "string" },
    store: { type: "string" },
    "pod-cidr": { type: "string", default: "10.42.0.0/16" },
    "service-cidr": { type: "string", default: "10.43.0.0/16" },
    "dns-address": { type: "string", default: "10.43.0.10" },
    /** How long certificates hold, in seconds. */
    "certificate-lifetime": { type: "string" },
    /** How long events are kept, in seconds. */
    "event-ttl": { type: "string" },
    "cluster-domain": { type: "string", default: "cluster.local" },
    "node-monitor-grace-period": { type: "string" },
    /** The node on the same data directory. */
    node: { type: "string" },
  },
});
const dataDir = required("data-dir");
/** How long a node may be silent; the plugins' default where it is not given. */
const graceSeconds = values["node-monitor-grace-period"];
const ranges: ClusterRanges = {
  podCidr: values["pod-cidr"],
  serviceCidr: values["service-cidr"],
  dnsAddress: values["dns-address"],
  clusterDomain: values["cluster-domain"],
};

/** Certificates that hold for less would be renewed all the time. */
const LIFETIME_SECONDS_MIN = 10;

/** What the server does on its own behalf: tokens, nodes. */
const SYSTEM_USER: User = authenticatedUser("system:k3ts:server", [MASTERS]);

/** Users of the built-in plugins that are no service accounts. */
const BUILT_IN_USERS = ["system:kube-scheduler", "system:kube-controller-manager"];

// Whatever this process writes holds secrets: the store too.
Deno.umask(0o077);

const ending = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, () => ending.abort(new Error(name)));

const log = processLog();
const onFault: OnFault = (error, call) => {
  log.error("A call failed", error, {
    call,
    ...(error instanceof Error && error.stack !== undefined && { stack: error.stack }),
  });
};

const metrics = new Metrics();
keepProcessMetrics(metrics);
await using native = await openNative();
const clusterAddress = addressAt(ranges.serviceCidr, 1);
const pkiOptions: PkiOptions = {
  dataDir,
  serverUrl: required("url"),
  serverNames: [
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    `kubernetes.default.svc.${ranges.clusterDomain}`,
    ...new Set([
      "127.0.0.1",
      clusterAddress,
      ...values.address.filter((address) => address !== "0.0.0.0" && address !== "::"),
    ]),
  ],
  ...(values["certificate-lifetime"] !== undefined && { lifetimeMs: lifetimeOf(values["certificate-lifetime"]) }),
  now: systemClock.wall,
};
const pki = await ensurePki(pkiOptions);
const usage = new UsageTable(systemClock);
// Ends after the API, whose watches it tells that they have ended.
await using fanout = new Fanout();
await using server: ApiServer = await createApiServer({
  computed: [metricsGroup(usage, () => server, SYSTEM_USER, systemClock.wall)],
  store: timedStore(
    diskStore({
      native,
      path: `${dataDir}/store`,
      ...(values.store !== undefined && { engine: engineOf(values.store) }),
    }),
    metrics,
  ),
  registry: {
    tracing: TRACING,
    onStoreFailure(failure) {
      if (failure === undefined) log.info("The store is open again");
      else log.error("The store has failed, takes no write and is opened again", failure);
    },
  },
  ...(values["event-ttl"] !== undefined && { eventTtlMs: secondsOf("event-ttl", values["event-ttl"]) * 1000 }),
  tokenKeys: pki.tokenKeys,
  caCertificate: pki.ca.pem,
  issuer: `https://kubernetes.default.svc.${ranges.clusterDomain}`,
  services: { addresses: ranges.serviceCidr, reserved: [clusterAddress, ranges.dnsAddress] },
  ...(values.advertise !== undefined && { endpoint: endpointOf(values.advertise) }),
}, ending.signal);
server.lost.then((reason) => {
  log.error("The store is lost and the server ends", reason);
  ending.abort(reason);
});

const clients = createResourceClient(
  createRouterTransport((router) => routeResources(router, server, () => SYSTEM_USER)),
  { fieldManager: "k3ts-server" },
);
const tokens = new TokenStore(clients);
const identify = (context: HandlerContext) => userOf(context.requestHeader, server);
keepCacheMetrics(server, metrics);
const pluginState = new PluginState();
const health: HealthChecks = {
  live: { store: () => server.registry.failure?.message },
  ready: { plugins: () => pluginState.problem(), certificate: () => certificateProblem(`${dataDir}/pki/server.crt`) },
};
/** What runs on every machine with a server. */
const sources = {
  server: () => metrics.render(),
  plugins: (signal: AbortSignal) => pluginState.metrics(signal),
  gateway: metricsAt(`${dataDir}/run/gateway.sock`),
  supervisor: metricsAt(`${dataDir}/run/supervisor.sock`),
};
const handler = dispatch(
  server,
  (router) => {
    routeResources(router, server, identify);
    router.service(
      ClusterService,
      clusterService({
        server,
        ca: pki.ca,
        tokens,
        nodes: clients.of<Node>(resources.nodes),
        ranges,
        versions: { k3ts: VERSION, kubernetes: `v${KUBERNETES_VERSION}` },
        identify,
        now: systemClock.wall,
      }),
    );
    const { podCidr } = ranges;
    router.service(
      NodeService,
      nodeService({ clients, podCidr, identify, ca: pki.ca, tokens, usage, ownNode: values.node }),
    );
  },
  restFace(server, { onFault, fanout, own: { health, metrics: () => gatherMetrics(sources) } }),
  onFault,
);

const socket = await freeSocket("server");
// First of the two: watches that begin at once are soon told by the gateway.
const publishing = fanout.serve(
  await freeSocket("fanout"),
  (error) => onFault(error, "the connection to a gateway"),
  ending.signal,
);
const listener = Deno.serve({
  path: socket,
  signal: ending.signal,
  onListen() {
    // Whoever can connect may say who they are, so that it is the gateway's and root's alone.
    Deno.chmodSync(socket, 0o600);
    log.info("The server serves", { socket });
  },
  // The handler answers its own errors; what is left is a request that cannot be read, such as with a Host that is none.
  onError(error) {
    if (error instanceof TypeError) return new Response("Bad Request", { status: 400 });
    onFault(error, "a request");
    return new Response("Internal Server Error", { status: 500 });
  },
}, countRequests(handler, isServed, metrics, log));
const plugins = hostPlugins({
  command: pluginCommand(),
  routes: (callerOf) => (router) =>
    routeResources(router, server, (context) => identityOf(callerOf(context)), [continueTrace]),
  mayActAs: (user) => user.startsWith("system:serviceaccount:kube-system:") || BUILT_IN_USERS.includes(user),
  serverVersion: VERSION,
  caCertificate: pki.ca.pem,
  log,
  state: pluginState,
}, ending.signal);
const renewals = keepCertificates(
  pki.ca,
  pkiOptions,
  (error) => onFault(error, "the renewal of certificates"),
  ending.signal,
);
await Promise.all([listener.finished, publishing, plugins, renewals]);

/** Where a server before this one listened nobody does any more. */
async function freeSocket(name: string): Promise<string> {
  const path = `${dataDir}/run/${name}.sock`;
  await Deno.remove(path).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  return path;
}

function isServed(apiVersion: string, resource: string, subresource: string): boolean {
  const found = server.resources.find(apiVersion, resource);
  if (found === undefined) return subresource === "" && server.computed.find(apiVersion, resource) !== undefined;
  return subresource === "" || found.subresources.some(({ name }) => name === subresource);
}

function identityOf(name: string): User {
  const account = serviceAccountOf({ name, groups: [] });
  return account === undefined ? authenticatedUser(name, []) : serviceAccountUser(account.namespace, account.name);
}

function pluginCommand(): string[] {
  const root = dirname(dirname(fileURLToPath(import.meta.url)));
  return [
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-prompt",
    "--no-remote",
    "--cached-only",
    "--v8-flags=--max-old-space-size=1024,--optimize-for-size",
    "--config",
    `${root}/deno.json`,
    `${root}/plugins/main.ts`,
    ...(graceSeconds === undefined ? [] : ["--node-monitor-grace-period", graceSeconds]),
  ];
}

function secondsOf(option: string, text: string): number {
  const seconds = Number(text);
  if (seconds > 0) return seconds;
  throw new Error(`--${option} must be a number of seconds: it is "${text}"`);
}

function lifetimeOf(text: string): number {
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= LIFETIME_SECONDS_MIN) return seconds * 1000;
  throw new Error(
    `--certificate-lifetime must be a whole number of seconds, at least ${LIFETIME_SECONDS_MIN}: "${text}"`,
  );
}

/** `10.42.0.1:6443` */
function endpointOf(text: string): { address: string; port: number } {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at < 1 || !Number.isInteger(port)) throw new Error(`--advertise must be ADDRESS:PORT: it is "${text}"`);
  return { address: text.slice(0, at), port };
}

function engineOf(text: string): EngineName {
  if (text === "slatedb" || text === "sqlite") return text;
  throw new Error(`--store must be slatedb or sqlite: it is "${text}"`);
}

function required(name: "data-dir" | "url"): string {
  const value = values[name];
  if (value === undefined) throw new Error(`--${name} must be given`);
  return value;
}
