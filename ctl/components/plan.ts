/**
 * Which processes a machine runs, with which sockets, for each of the three ways to start: `up` (all of them),
 * `server` and `agent`. Pure: what comes out is what the supervisor is told.
 */
import { create } from "@bufbuild/protobuf";
import { type Level, LOG_LEVEL_VARIABLE } from "@k3ts/client/telemetry";
import { SupervisedSocket_Protocol as Protocol, type SupervisorConfig, SupervisorConfigSchema } from "@k3ts/proto";

export interface ComponentOptions {
  roles: readonly ("server" | "node")[];
  /** Absolute. */
  dataDir: string;
  port: number;
  /** Addresses that the API is served on. */
  listen: readonly string[];
  /** Addresses and names that the server's certificate must have. */
  serverNames: readonly string[];
  /** Where pods reach the API. */
  advertise: string;
  /** Where the node's agent finds the API. */
  serverUrl: string;
  /** Seconds that a node may be silent before it counts as lost. @default the server's */
  nodeGraceSeconds?: number;
  nodeName: string;
  /** Under which other nodes reach this one. @default found by the agent */
  nodeIp?: string;
  /** The cgroup of the node's pods. @default the agent's */
  cgroupParent?: string;
  /** What runs containers. @default the agent's */
  runtime?: string;
  /** How long, in seconds, a sign of life of the node is good for. @default the agent's */
  leaseSeconds?: number;
  /** -1: no limit. */
  podPidsLimit?: number;
  network: NetworkOptions;
  /** What keeps the server's state. Absent: what the data directory has, slatedb in a new one. */
  store?: string | undefined;
  /** How long certificates hold. @default a year */
  certificateSeconds?: number;
  /** How long events are kept. @default the server's */
  eventSeconds?: number;
  /** What is below it no process says. @default info */
  logLevel?: Level | undefined;
  /** The checkout or installation: where main.ts files and deno.json lie. */
  root: string;
  /** The folder of native programs. */
  native: string;
  /** The Deno that runs the TypeScript parts. */
  deno: string;
}

export interface NetworkOptions {
  podCidr: string;
  serviceCidr: string;
  /** The address of the node's bridge. */
  bridgeAddress: string;
  dnsAddress: string;
  clusterDomain: string;
}

export const NETWORK_DEFAULTS: NetworkOptions = {
  podCidr: "10.42.0.0/16",
  serviceCidr: "10.43.0.0/16",
  bridgeAddress: "10.42.0.1",
  dnsAddress: "10.43.0.10",
  clusterDomain: "cluster.local",
};

/** Megabytes. A small young generation gives back after a burst what the burst needed, at no cost to a request. */
const V8_FLAGS = {
  server: ["--max-old-space-size=2048", "--max-semi-space-size=4"],
  agent: ["--max-old-space-size=256", "--max-semi-space-size=4"],
};
/**
 * glibc is to keep few arenas, for the same reason, and large buffers apart: those that come and go among small ones that
 * stay leave holes, for which a process grows for as long as it runs. By itself it stops to do so once one was freed.
 */
const ENVIRONMENT = {
  MALLOC_ARENA_MAX: "2",
  MALLOC_MMAP_THRESHOLD_: `${256 * 1024}`,
  MALLOC_TRIM_THRESHOLD_: `${4 * 1024 * 1024}`,
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
};

export function planComponents(options: ComponentOptions): SupervisorConfig {
  const { dataDir, port, roles } = options;
  const isServer = roles.includes("server");
  const isNode = roles.includes("node");
  const sockets = [
    ...(isServer ? options.listen.map((address) => socket("api", Protocol.TCP, address, port)) : []),
    ...(isNode
      ? [
        socket("dns-udp", Protocol.UDP, options.network.dnsAddress, 53),
        socket("dns-tcp", Protocol.TCP, options.network.dnsAddress, 53),
      ]
      : []),
  ];
  const log = (name: string) => `${dataDir}/logs/${name}.log`;
  const process = (name: string, command: string[], sockets: string[] = []) => ({
    name,
    // The native ones are replaced without a pause.
    saysReady: name === "gateway" || name === "dataplane",
    command,
    sockets,
    directory: dataDir,
    logPath: log(name),
    environment: { ...ENVIRONMENT, ...environmentOf(options), OTEL_SERVICE_NAME: `k3ts-${name}` },
    stopTimeoutMs: 10_000,
  });
  return create(SupervisorConfigSchema, {
    sockets,
    processes: [
      // That of a node by itself listens nowhere: it keeps a way open by which the server's reaches the agent.
      process(
        "gateway",
        [`${options.native}/k3ts-gateway`, "--data-dir", dataDir, ...(isServer ? [] : ["--server", options.serverUrl])],
        isServer ? ["api"] : [],
      ),
      ...(isServer ? [process("server", serverCommand(options))] : []),
      ...(isNode
        ? [
          process("agent", agentCommand(options)),
          process("dataplane", [`${options.native}/k3ts-dataplane`, "--data-dir", dataDir], ["dns-udp", "dns-tcp"]),
        ]
        : []),
    ],
  });
}

function environmentOf(options: ComponentOptions): Record<string, string> {
  return {
    K3TS_NATIVE: options.native,
    ...(options.logLevel !== undefined && { [LOG_LEVEL_VARIABLE]: options.logLevel }),
  };
}

function serverCommand(options: ComponentOptions): string[] {
  const { network } = options;
  return [
    ...denoRun(options, "server", serverPermissions(options), V8_FLAGS.server),
    "--data-dir",
    options.dataDir,
    "--url",
    options.serverUrl,
    ...options.serverNames.flatMap((name) => ["--address", name]),
    "--advertise",
    `${options.advertise}:${options.port}`,
    "--pod-cidr",
    network.podCidr,
    "--service-cidr",
    network.serviceCidr,
    "--dns-address",
    network.dnsAddress,
    "--cluster-domain",
    network.clusterDomain,
    ...(options.store === undefined ? [] : ["--store", options.store]),
    ...(options.certificateSeconds === undefined ? [] : ["--certificate-lifetime", String(options.certificateSeconds)]),
    ...(options.eventSeconds === undefined ? [] : ["--event-ttl", String(options.eventSeconds)]),
    ...(options.nodeGraceSeconds === undefined
      ? []
      : ["--node-monitor-grace-period", String(options.nodeGraceSeconds)]),
    ...(options.roles.includes("node") ? ["--node", options.nodeName] : []),
  ];
}

function agentCommand(options: ComponentOptions): string[] {
  return [
    // What makes containers reads /proc and /sys, for which Deno asks for everything.
    ...denoRun(options, "agent", ["-A"], V8_FLAGS.agent),
    "--data-dir",
    options.dataDir,
    "--server",
    options.serverUrl,
    "--token-file",
    `${options.dataDir}/node/token`,
    "--node-name",
    options.nodeName,
    ...(options.nodeIp === undefined ? [] : ["--node-ip", options.nodeIp]),
    ...(options.cgroupParent === undefined ? [] : ["--cgroup-parent", options.cgroupParent]),
    ...(options.runtime === undefined ? [] : ["--runtime", options.runtime]),
    ...(options.podPidsLimit === undefined ? [] : ["--pod-pids-limit", String(options.podPidsLimit)]),
    ...(options.leaseSeconds === undefined ? [] : ["--node-lease-duration", String(options.leaseSeconds)]),
  ];
}

/** The server needs its own files, the store engine, its plugins, and the figures of its neighbours; no address on any network. */
function serverPermissions({ dataDir, root, native, deno }: ComponentOptions): string[] {
  // For files in these places Deno asks for everything.
  if (/^\/(dev|proc|sys)\//.test(dataDir)) return ["-A"];
  return [
    `--allow-read=${dataDir},${root},${native}`,
    `--allow-write=${dataDir}`,
    `--allow-net=${
      ["server", "fanout", "gateway", "supervisor"].map((name) => `unix:${dataDir}/run/${name}.sock`).join(",")
    }`,
    // A callback from native threads asks for all of it.
    "--allow-ffi",
    `--allow-run=${deno}`,
    "--allow-env",
    "--allow-sys",
  ];
}

function denoRun({ deno, root }: ComponentOptions, member: string, permissions: string[], v8Flags: string[]): string[] {
  return [
    deno,
    "run",
    "--quiet",
    "--no-prompt",
    "--cached-only",
    // A request's signal is to fire when its client leaves, and not when it was answered.
    "--unstable-no-legacy-abort",
    ...permissions,
    `--v8-flags=${v8Flags.join(",")}`,
    "--config",
    `${root}/deno.json`,
    `${root}/${member}/main.ts`,
  ];
}

function socket(name: string, protocol: Protocol, address: string, port: number) {
  return { name, protocol, address: address.includes(":") ? `[${address}]:${port}` : `${address}:${port}` };
}
