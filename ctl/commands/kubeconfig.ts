/** `k3ts kubeconfig`: a kubeconfig for kubectl and others, with everything in it. */
import type { Command } from "commander";
import { formatTime, resources } from "@k3ts/model/objects";
import { type ClusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { KubeconfigFile } from "../kubeconfig_file.ts";
import { parseDuration } from "../numbers.ts";
import { writeText } from "../output/write.ts";
import { Problem } from "../problem.ts";

interface KubeconfigOptions extends ClusterOptions {
  serviceAccount?: string;
  duration: string;
  server?: string;
  name: string;
  merge?: string;
  output?: string;
  use?: boolean;
}

export function registerKubeconfig(program: Command): void {
  namespaceOptions(program.command("kubeconfig"))
    .description("a kubeconfig for this cluster: k3ts kubeconfig --merge, then kubectl get nodes")
    .option("--service-account <name>", "for this one, instead of for me: NAME or NAMESPACE/NAME")
    .option("--duration <duration>", "with --service-account: how long its token is valid", "24h")
    .option("--server <url>", "where the cluster is reached, when it is not where I reach it")
    .option("--name <name>", "what its cluster, user and context are called", "k3ts")
    .option("--merge [path]", "add it to a file (default: ~/.kube/config), keeping what else is in there")
    .option("--use", "with --merge: make it the current context")
    .option("-o, --output <path>", "write a file of its own, which nobody else may read")
    .action((options: KubeconfigOptions) =>
      withCluster(options, (connection, namespace) => kubeconfig(options, connection, namespace))
    );
}

async function kubeconfig(options: KubeconfigOptions, connection: Connection, namespace: string): Promise<void> {
  if (options.merge !== undefined && options.output !== undefined) {
    throw new Problem("Either --merge or --output can be given, not both.");
  }
  if (options.use && options.merge === undefined) throw new Problem("--use needs --merge.");
  const made = await make(options, connection, namespace);
  if (options.merge !== undefined) return await merge(options.merge || ownPath(), made, options);
  if (options.output === undefined) return writeText(made.toString());
  await KubeconfigFile.parse(options.output, made.toString()).write();
  console.log(`Wrote ${options.output}. Next: export KUBECONFIG=${options.output}`);
}

async function make(options: KubeconfigOptions, connection: Connection, namespace: string): Promise<KubeconfigFile> {
  const { name, server, serviceAccount } = options;
  const { access } = connection;
  if (server !== undefined && !(URL.canParse(server) && server.startsWith("https://"))) {
    throw new Problem(`--server must be a URL such as https://10.0.0.1:6443: it is "${server}".`);
  }
  const file = KubeconfigFile.parse("", "");
  const { caCertificate, certificate, key, token } = access;
  file.set("clusters", name, {
    server: server ?? access.url,
    ...(caCertificate !== undefined && { "certificate-authority-data": btoa(caCertificate) }),
  });
  const user = serviceAccount === undefined ? name : `${name}-${serviceAccount.replace("/", "-")}`;
  const account = serviceAccount === undefined ? undefined : accountOf(serviceAccount, namespace);
  file.set("users", user, {
    ...(account !== undefined ? { token: await tokenOf(account, options, connection) } : {
      ...(certificate !== undefined && { "client-certificate-data": btoa(certificate) }),
      ...(key !== undefined && { "client-key-data": btoa(key) }),
      ...(token !== undefined && { token }),
    }),
  });
  const context = account === undefined ? name : user;
  const place = options.namespace ?? account?.namespace ?? access.namespace;
  file.set("contexts", context, { cluster: name, user, ...(place !== "default" && { namespace: place }) });
  file.currentContext = context;
  return file;
}

interface Account {
  namespace: string;
  name: string;
}

function accountOf(word: string, home: string): Account {
  const parts = word.split("/");
  const [namespace, name] = parts.length === 1 ? [home, word] : parts;
  if (parts.length > 2 || !namespace || !name) {
    throw new Problem(`--service-account must be NAME or NAMESPACE/NAME: it is "${word}".`);
  }
  return { namespace, name };
}

/** authentication.k8s.io/v1 TokenRequest. */
interface TokenRequest {
  status?: { token?: string; expirationTimestamp?: string };
}

async function tokenOf(
  { namespace, name }: Account,
  options: KubeconfigOptions,
  { clients }: Connection,
): Promise<string> {
  const expirationSeconds = Math.ceil(parseDuration("--duration", options.duration));
  const { status } = await clients.of(resources.serviceaccounts).createSubresource<TokenRequest>(name, {
    namespace,
    subresource: "token",
    object: { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", metadata: {}, spec: { expirationSeconds } },
  });
  if (!status?.token) throw new Problem(`The server has made no token for ${namespace}/${name}.`);
  console.error(
    `Its token is valid until ${status.expirationTimestamp ?? formatTime(Date.now() + expirationSeconds * 1000)}.`,
  );
  return status.token;
}

async function merge(path: string, made: KubeconfigFile, { use }: KubeconfigOptions): Promise<void> {
  const file = await KubeconfigFile.open(path);
  file.merge(made);
  const context = made.currentContext!;
  const isCurrent = use === true || file.currentContext === undefined || file.currentContext === context;
  if (isCurrent) file.currentContext = context;
  await file.write();
  console.log(
    `Added the context ${context} to ${path}. ${
      isCurrent ? "Next: kubectl get nodes" : `Next: kubectl --context ${context} get nodes`
    }`,
  );
}

function ownPath(): string {
  return `${Deno.env.get("HOME") ?? "/root"}/.kube/config`;
}
