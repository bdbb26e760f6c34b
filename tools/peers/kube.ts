/**
 * Kubernetes's own control plane on loopback, to be measured beside: kube-apiserver with etcd, or with kine, which
 * keeps everything in SQLite, and on demand its controllers and scheduler. All as their makers set them.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createAuthority } from "../pki.ts";
import { end } from "../run.ts";
import { ensurePeers } from "./mod.ts";
import type { PeerName } from "./table.ts";

export interface KubeOptions {
  store: "etcd" | "kine";
  /** Certificates, logs and data; what an earlier one with the same store has left there is gone on with. */
  dataDir: string;
  /** Also kube-controller-manager and kube-scheduler. @default false */
  controllers?: boolean;
  /** Words before each command, such as `nsenter --net=…`, that end in running it in their own place. */
  enter?: readonly string[];
  /** More for kube-apiserver. */
  apiServerArgs?: readonly string[];
  /** @default 60_000 */
  startMsMax?: number;
  say?: (line: string) => void;
  signal?: AbortSignal;
}

export interface Kube extends AsyncDisposable {
  /** Path of the administrator's, by certificate. */
  kubeconfig: string;
  /** By the program's name: kube-apiserver, etcd or kine, kube-controller-manager, kube-scheduler. */
  pids: Readonly<Record<string, number>>;
}

const START_MS_MAX_DEFAULT = 60_000;
const STOP_MS_MAX = 30_000;
const POLL_MS = 50;

/** @returns when it says that it is ready. @throws with the end of a log when a program ends instead */
export async function startKube(options: KubeOptions): Promise<Kube> {
  const { store, dataDir, controllers = false } = options;
  const programs = await pathsOf(["kube-apiserver", "kubectl-1.35", store, ...controllers ? CONTROLLERS : []], options);
  await Deno.mkdir(`${dataDir}/pki`, { recursive: true });
  await ensurePki(`${dataDir}/pki`);
  const ports = await ensurePorts(`${dataDir}/ports.json`);
  const kubeconfig = `${dataDir}/kubeconfig`;
  await Deno.writeTextFile(kubeconfig, kubeconfigOf(dataDir, ports.api), { mode: 0o600 });
  const timeLimit = AbortSignal.timeout(options.startMsMax ?? START_MS_MAX_DEFAULT);
  const signal = options.signal === undefined ? timeLimit : AbortSignal.any([options.signal, timeLimit]);

  await using started = new AsyncDisposableStack();
  const pids: Record<string, number> = {};
  const start = (name: PeerName, args: readonly string[]) => {
    const running = started.use(new Running(name, programs.get(name)!, args, options));
    pids[name] = running.pid;
    return running;
  };
  const data = start(store, store === "etcd" ? etcdArgs(dataDir, ports) : kineArgs(dataDir, ports));
  await data.until(() => listens(data.pid, ports.store), signal);
  const api = start("kube-apiserver", [...apiServerArgs(dataDir, ports), ...options.apiServerArgs ?? []]);
  await api.until(() => listens(api.pid, ports.api), signal);
  const ask = [
    ...options.enter ?? [],
    programs.get("kubectl-1.35")!,
    "--kubeconfig",
    kubeconfig,
    "get",
    "--raw=/readyz",
  ];
  await api.until(() => succeeds(ask), signal);
  if (controllers) {
    // With nobody to share the lead with, as K3s runs them: a second start need not wait for the first one's lease.
    const common = ["--kubeconfig", kubeconfig, "--bind-address=127.0.0.1", "--leader-elect=false"];
    const manager = start("kube-controller-manager", [...common, ...controllerManagerArgs(dataDir, ports)]);
    const scheduler = start("kube-scheduler", [...common, `--secure-port=${ports.scheduler}`]);
    await manager.until(() => listens(manager.pid, ports.controllerManager), signal);
    await scheduler.until(() => listens(scheduler.pid, ports.scheduler), signal);
  }
  const kept = started.move();
  return { kubeconfig, pids, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const CONTROLLERS = ["kube-controller-manager", "kube-scheduler"] as const;

async function pathsOf(names: readonly PeerName[], { say }: KubeOptions): Promise<Map<PeerName, string>> {
  const results = await ensurePeers(names, { say });
  for (const { error } of results) if (error !== undefined) throw error;
  return new Map(results.map(({ name, path }) => [name, path!]));
}

/** A program that writes to its log by itself, and is stopped when it is disposed of. */
class Running implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #log: string;
  #ended: Deno.CommandStatus | undefined;

  constructor(readonly name: string, program: string, args: readonly string[], { dataDir, enter = [] }: KubeOptions) {
    this.#log = `${dataDir}/${name}.log`;
    const command = [...enter, "sh", "-c", 'exec "$0" "$@" >>"$LOG" 2>&1', program, ...args];
    this.#child = new Deno.Command(command[0]!, {
      args: command.slice(1),
      cwd: dataDir,
      env: { LOG: this.#log },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    this.#child.status.then((status) => this.#ended = status);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async until(isReady: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    while (!await isReady()) {
      const state = this.#ended !== undefined
        ? `it ended with exit ${this.#ended.code}`
        : signal.aborted
        ? `it was not within its time (${signal.reason})`
        : undefined;
      if (state !== undefined) {
        const log = await Deno.readTextFile(this.#log).catch(() => ""); // it may not even have been opened
        throw new Error(
          `Cannot start ${this.name} as it must get ready: ${state}\n${
            log.trimEnd().split("\n").slice(-20).join("\n")
          }`,
        );
      }
      await delay(POLL_MS, undefined, { signal }).catch(() => {}); // the next turn says why
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await end(this.#child, { msMax: STOP_MS_MAX });
  }
}

interface Ports {
  store: number;
  storePeer: number;
  api: number;
  controllerManager: number;
  scheduler: number;
}

function etcdArgs(dataDir: string, { store, storePeer }: Ports): string[] {
  const client = `http://127.0.0.1:${store}`;
  const peer = `http://127.0.0.1:${storePeer}`;
  return [
    ["--data-dir", `${dataDir}/etcd`],
    ["--listen-client-urls", client, "--advertise-client-urls", client],
    ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
    ["--quota-backend-bytes", String(8 * 2 ** 30)], // its makers' suggestion for Kubernetes; the default is 2 GiB
    ["--log-level", "warn"],
  ].flat();
}

/** SQLite as kine sets it when it is told nothing: no write waits for the disk, only checkpoints do. */
const SQLITE =
  "_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate&_stmt_cache_size=20&cache=shared";

function kineArgs(dataDir: string, { store }: Ports): string[] {
  return [
    ["--endpoint", `sqlite://${dataDir}/kine.db?${SQLITE}`],
    ["--listen-address", `tcp://127.0.0.1:${store}`],
    ["--metrics-bind-address", "0"],
  ].flat();
}

function apiServerArgs(dataDir: string, { store, api }: Ports): string[] {
  const pki = `${dataDir}/pki`;
  return [
    `--etcd-servers=http://127.0.0.1:${store}`,
    "--bind-address=127.0.0.1",
    "--advertise-address=127.0.0.1",
    `--secure-port=${api}`,
    `--tls-cert-file=${pki}/apiserver.crt`,
    `--tls-private-key-file=${pki}/apiserver.key`,
    `--client-ca-file=${pki}/ca.crt`,
    "--authorization-mode=Node,RBAC",
    `--service-account-key-file=${pki}/sa.pub`,
    `--service-account-signing-key-file=${pki}/sa.key`,
    "--service-account-issuer=https://kubernetes.default.svc",
    // Else it looks for an address of the machine, and a network of loopback alone has none.
    `--service-account-jwks-uri=https://127.0.0.1:${api}/openid/v1/jwks`,
    "--service-cluster-ip-range=10.96.0.0/16",
    "--endpoint-reconciler-type=none", // nobody is to reach it from elsewhere
    "--disable-admission-plugins=ServiceAccount", // else no pod can be made where no controller makes accounts
    "--allow-privileged=true",
  ];
}

function controllerManagerArgs(dataDir: string, { controllerManager }: Ports): string[] {
  return [
    `--service-account-private-key-file=${dataDir}/pki/sa.key`,
    `--root-ca-file=${dataDir}/pki/ca.crt`,
    "--use-service-account-credentials",
    `--secure-port=${controllerManager}`,
  ];
}

function kubeconfigOf(dataDir: string, port: number): string {
  const pki = `${dataDir}/pki`;
  const named = (name: string, kind: string, value: Record<string, string>) => [{ name, [kind]: value }];
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: named("kube", "cluster", {
      server: `https://127.0.0.1:${port}`,
      "certificate-authority": `${pki}/ca.crt`,
    }),
    users: named("admin", "user", { "client-certificate": `${pki}/admin.crt`, "client-key": `${pki}/admin.key` }),
    contexts: named("admin", "context", { cluster: "kube", user: "admin" }),
    "current-context": "admin",
  });
}

async function ensurePki(folder: string): Promise<void> {
  if (await Deno.stat(`${folder}/sa.pub`).then(() => true, () => false)) return;
  const write = async (name: string, { cert, key }: { cert: string; key: string }) => {
    await Deno.writeTextFile(`${folder}/${name}.crt`, cert);
    await Deno.writeTextFile(`${folder}/${name}.key`, key, { mode: 0o600 });
  };
  const authority = await createAuthority("kube");
  await Deno.writeTextFile(`${folder}/ca.crt`, authority.cert);
  await write("apiserver", await authority.issue("CN=kube-apiserver", { serving: true }));
  await write("admin", await authority.issue("O=system:masters,CN=admin"));
  const keys = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const pem = (label: string, der: ArrayBuffer) =>
    `-----BEGIN ${label}-----\n${new Uint8Array(der).toBase64().replace(/.{64}/g, "$&\n")}\n-----END ${label}-----\n`;
  const privateKey = pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  await Deno.writeTextFile(`${folder}/sa.key`, privateKey, { mode: 0o600 });
  // Last: what is here is then complete.
  await Deno.writeTextFile(
    `${folder}/sa.pub`,
    pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", keys.publicKey)),
  );
}

/** Free ones, kept for the next start: etcd remembers its own. */
async function ensurePorts(path: string): Promise<Ports> {
  try {
    return JSON.parse(await Deno.readTextFile(path)) as Ports;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  // All are held at once, so that none is given out twice.
  using held = new DisposableStack();
  const free = () => {
    const listener = held.use(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
    return listener.addr.port;
  };
  const ports: Ports = { store: free(), storePeer: free(), api: free(), controllerManager: free(), scheduler: free() };
  await Deno.writeTextFile(path, JSON.stringify(ports));
  return ports;
}

/** Whether somebody listens at a port in the network of a process, wherever that is (proc_pid_net(5)). */
async function listens(pid: number, port: number): Promise<boolean> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const LISTEN = "0A";
  for (const table of ["tcp", "tcp6"]) {
    // It may have ended, or have no IPv6.
    const lines = (await Deno.readTextFile(`/proc/${pid}/net/${table}`).catch(() => "")).split("\n");
    for (const line of lines) {
      const [, local, , state] = line.trim().split(/\s+/);
      if (state === LISTEN && local?.endsWith(suffix)) return true;
    }
  }
  return false;
}

async function succeeds([program, ...args]: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command(program!, { args: [...args], stdin: "null" }).output();
  return success;
}
