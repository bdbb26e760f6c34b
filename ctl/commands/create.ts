/** `k3ts create`: objects from files, and the usual ones from a few words. */
import type { Command } from "commander";
import type { KubernetesObject } from "@k3ts/client";
import { resources } from "@k3ts/model/objects";
import { type ClusterOptions, collect, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDryRun } from "../dry_run.ts";
import { configMapFields, type DataWords, readData, secretData } from "../generate/data.ts";
import { makeDeployment, object } from "../generate/pods.ts";
import { makeService, parsePort, portNumber, SERVICE_TYPES } from "../generate/services.ts";
import { bindingOf, roleOf } from "../generate/roles.ts";
import { readManifests } from "../manifests.ts";
import { findResource } from "../names.ts";
import { parseDuration, parseWholeNumber } from "../numbers.ts";
import { parseObjectFormat } from "../output/format.ts";
import { Problem } from "../problem.ts";
import { locate } from "./manifest_objects.ts";
import { createOne, tell, type WriteOptions, writeOptions } from "./written.ts";

type CreateOptions = ClusterOptions & WriteOptions;

export function registerCreate(program: Command): void {
  const create = writeOptions(namespaceOptions(program.command("create")))
    .description("make objects: k3ts create -f web.yaml, k3ts create namespace web")
    .option("-f, --filename <path...>", "of files, folders, or - for standard input")
    .action((options: CreateOptions & { filename?: string[] }) =>
      withCluster(options, async (connection, namespace) => {
        if (options.filename === undefined) {
          throw new Problem("What to create must be named: -f FILE, or one of the commands of --help.");
        }
        await send(await readManifests(options.filename), options, connection, namespace);
      })
    );
  /** A command below `create` that makes one object. */
  const generator = <O>(
    usage: string,
    description: string,
    make: (name: string, options: O & CreateOptions, words: string[]) => Promise<KubernetesObject> | KubernetesObject,
    parent: Command = create,
  ) =>
    writeOptions(namespaceOptions(parent.command(usage))).description(description)
      .action((name: string, ...rest: unknown[]) => {
        const command = rest.at(-1) as Command;
        const options: O & CreateOptions = { ...create.opts(), ...command.opts() };
        const words = command.args.slice(1);
        return withCluster(options, async (connection, namespace) =>
          await send([await make(name, options, words)], options, connection, namespace));
      });
  registerPlain(generator);
  registerSecrets(create, generator);
  registerServices(create, generator);
  registerRoles(generator);
  registerToken(create);
}

type Generator = <O>(
  usage: string,
  description: string,
  make: (name: string, options: O & CreateOptions, words: string[]) => Promise<KubernetesObject> | KubernetesObject,
  parent?: Command,
) => Command;

async function send(
  objects: readonly KubernetesObject[],
  options: CreateOptions,
  connection: Connection,
  home: string,
): Promise<void> {
  const dryRun = parseDryRun(options.dryRun);
  const format = parseObjectFormat(options.output);
  for (const { resource, object, client, namespace } of await locate(objects, connection, home)) {
    tell(resource, await createOne(client, object, namespace, dryRun), "created", dryRun, format);
  }
}

function dataOptions(command: Command): Command {
  return command
    .option("--from-literal <key=value>", "a value; may be repeated", collect)
    .option("--from-file <path>", "a file, or all of a folder: [KEY=]PATH; may be repeated", collect)
    .option("--from-env-file <path>", "a file of lines NAME=VALUE; may be repeated", collect);
}

function registerPlain(generator: Generator): void {
  generator("namespace <name>", "a namespace", (name) => object("v1", "Namespace", name, {})).alias("ns");
  generator("serviceaccount <name>", "a service account", (name) => object("v1", "ServiceAccount", name, {})).alias(
    "sa",
  );
  dataOptions(
    generator<DataWords>(
      "configmap <name>",
      "a ConfigMap",
      async (name, options) => object("v1", "ConfigMap", name, configMapFields(await readData(options))),
    ).alias("cm"),
  );
  generator<{ image?: string[]; replicas: string; port?: string }>(
    "deployment <name> [command...]",
    "a Deployment: k3ts create deployment web --image nginx -- nginx -g 'daemon off;'",
    (name, { image = [], replicas, port }, command) => {
      if (image.length === 0) throw new Problem("A Deployment must have an image: name it with --image.");
      const number = port === undefined ? undefined : portNumber(port);
      if (port !== undefined && number === undefined) {
        throw new Problem(`--port must be from 1 to 65535: it is "${port}".`);
      }
      return makeDeployment(name, {
        images: image,
        replicas: parseWholeNumber("--replicas", replicas),
        command,
        ...(number !== undefined && { port: number }),
      });
    },
  ).alias("deploy")
    .option("--image <image>", "what its container runs; may be repeated", collect)
    .option("-r, --replicas <number>", "how many pods", "1")
    .option("--port <number>", "where they listen");
}

function registerSecrets(create: Command, generator: Generator): void {
  const secret = create.command("secret").description("a Secret");
  dataOptions(
    generator<DataWords & { type: string }>(
      "generic <name>",
      "of values and files",
      async (name, options) =>
        object("v1", "Secret", name, { type: options.type, data: secretData(await readData(options)) }),
      secret,
    ).option("--type <type>", "its type", "Opaque"),
  );
  generator<{ cert: string; key: string }>(
    "tls <name>",
    "of a certificate and its key",
    async (name, { cert, key }) => {
      const data = await readData({ fromFile: [`tls.crt=${cert}`, `tls.key=${key}`] });
      return object("v1", "Secret", name, { type: "kubernetes.io/tls", data: secretData(data) });
    },
    secret,
  ).requiredOption("--cert <path>", "the certificate (PEM)").requiredOption("--key <path>", "its key (PEM)");
  generator<{ dockerServer: string; dockerUsername: string; dockerPassword: string; dockerEmail?: string }>(
    "docker-registry <name>",
    "for pulling images",
    (name, options) => object("v1", "Secret", name, registrySecret(options)),
    secret,
  ).requiredOption("--docker-username <name>", "the user").requiredOption(
    "--docker-password <password>",
    "the password",
  )
    .option("--docker-server <url>", "the registry", "https://index.docker.io/v1/")
    .option("--docker-email <address>", "the user's address");
}

function registrySecret(
  { dockerServer, dockerUsername, dockerPassword, dockerEmail }: {
    dockerServer: string;
    dockerUsername: string;
    dockerPassword: string;
    dockerEmail?: string;
  },
) {
  const encoded = (text: string) => new TextEncoder().encode(text).toBase64();
  const entry = {
    username: dockerUsername,
    password: dockerPassword,
    ...(dockerEmail !== undefined && { email: dockerEmail }),
    auth: encoded(`${dockerUsername}:${dockerPassword}`),
  };
  const config = JSON.stringify({ auths: { [dockerServer]: entry } });
  return { type: "kubernetes.io/dockerconfigjson", data: { ".dockerconfigjson": encoded(config) } };
}

interface ServiceOptions {
  tcp?: string[];
  udp?: string[];
  clusterip?: string;
  nodePort?: string;
  externalName?: string;
}

function registerServices(create: Command, generator: Generator): void {
  const service = create.command("service").alias("svc").description("a Service");
  for (const [word, type] of Object.entries(SERVICE_TYPES)) {
    const command = generator<ServiceOptions>(`${word} <name>`, `of the type ${type}`, (name, options) => {
      const ports = [
        ...(options.tcp ?? []).map((text) => parsePort("--tcp", text, "TCP")),
        ...(options.udp ?? []).map((text) => parsePort("--udp", text, "UDP")),
      ];
      const nodePort = options.nodePort === undefined ? undefined : parseWholeNumber("--node-port", options.nodePort);
      return makeService(name, {
        type,
        ports: ports.map((port) => ({ ...port, ...(nodePort !== undefined && { nodePort }) })),
        selector: type === "ExternalName" ? {} : { app: name },
        ...(options.clusterip !== undefined && { clusterIP: options.clusterip }),
        ...(options.externalName !== undefined && { externalName: options.externalName }),
      });
    }, service)
      .option("--tcp <port>", "PORT or PORT:TARGET; may be repeated", collect)
      .option("--udp <port>", "PORT or PORT:TARGET; may be repeated", collect);
    if (type === "ClusterIP") command.option("--clusterip <address>", "its address; None: headless");
    if (type === "NodePort") command.option("--node-port <number>", "the port of the nodes");
    if (type === "ExternalName") command.requiredOption("--external-name <name>", "the name that it stands for");
  }
}

interface RoleOptions {
  verb: string;
  resource: string;
  resourceName?: string[];
}

interface BindingOptions {
  role?: string;
  clusterrole?: string;
  user?: string[];
  group?: string[];
  serviceaccount?: string[];
}

function registerRoles(generator: Generator): void {
  for (const kind of ["Role", "ClusterRole"] as const) {
    generator<RoleOptions>(
      `${kind.toLowerCase()} <name>`,
      `a ${kind}: --verb get,list --resource pods,deployments.apps`,
      (name, { verb, resource, resourceName }) =>
        roleOf(kind, name, verb.split(","), resource.split(","), resourceName),
    ).requiredOption("--verb <verbs>", "what is allowed, parted by commas")
      .requiredOption("--resource <resources>", "with what, parted by commas: pods, deployments.apps, pods/log")
      .option("--resource-name <name>", "only with this one; may be repeated", collect);
    const binding = generator<BindingOptions>(
      `${kind.toLowerCase()}binding <name>`,
      `a ${kind}Binding: --clusterrole view --user jane`,
      (name, options) => bindingOf(kind, name, options),
    ).option("--clusterrole <name>", "the ClusterRole that is given")
      .option("--user <name>", "to this user; may be repeated", collect)
      .option("--group <name>", "to this group; may be repeated", collect)
      .option("--serviceaccount <namespace:name>", "to this service account; may be repeated", collect);
    if (kind === "Role") binding.option("--role <name>", "the Role that is given");
  }
}

interface TokenOptions extends CreateOptions {
  duration?: string;
  audience?: string[];
  boundObjectKind?: string;
  boundObjectName?: string;
  boundObjectUid?: string;
}

function registerToken(create: Command): void {
  namespaceOptions(create.command("token <serviceaccount>")).description("a token for a service account, shown once")
    .option("--duration <duration>", "how long it is valid (default: the server's choice)")
    .option("--audience <name>", "for whom it is; may be repeated (default: the API server)", collect)
    .option("--bound-object-kind <kind>", "valid as long as this exists: Pod, Secret, Node")
    .option("--bound-object-name <name>", "its name")
    .option("--bound-object-uid <uid>", "its UID")
    .option("-o, --output <format>", "json, yaml, jsonpath=TEMPLATE, …")
    .action((name: string, _options: unknown, command: Command) => {
      const options: TokenOptions = { ...create.opts(), ...command.opts() };
      return withCluster(options, (connection, namespace) => token(name, options, connection, namespace));
    });
}

async function token(name: string, options: TokenOptions, { clients }: Connection, namespace: string): Promise<void> {
  const format = parseObjectFormat(options.output);
  const { duration, audience, boundObjectKind: kind, boundObjectName, boundObjectUid: uid } = options;
  if ((kind === undefined) !== (boundObjectName === undefined)) {
    throw new Problem("--bound-object-kind and --bound-object-name need each other.");
  }
  const spec = {
    ...(audience !== undefined && { audiences: audience }),
    ...(duration !== undefined && { expirationSeconds: Math.ceil(parseDuration("--duration", duration)) }),
    ...(kind !== undefined && {
      boundObjectRef: { kind, apiVersion: "v1", name: boundObjectName, ...(uid !== undefined && { uid }) },
    }),
  };
  const object = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", metadata: {}, spec };
  const answer = await clients.of(resources.serviceaccounts).createSubresource<
    KubernetesObject & { status?: { token?: string } }
  >(name, { namespace, subresource: "token", object });
  if (format === undefined) return console.log(answer.status?.token ?? "");
  const resource = findResource("serviceaccounts", await clients.discover());
  tell(resource, answer, "created", undefined, format);
}
