/** `k3ts expose`: a Service in front of a workload or pod. */
import type { Command } from "commander";
import type { KubernetesObject } from "@k3ts/client";
import { type LabelSelector, type PodSpec, resources } from "@k3ts/model/objects";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { parseDryRun } from "../dry_run.ts";
import { makeService, portNumber, SERVICE_TYPES, type ServicePort } from "../generate/services.ts";
import { displayName, findResource } from "../names.ts";
import { parseObjectFormat } from "../output/format.ts";
import { Problem } from "../problem.ts";
import { type SelectionOptions, selectionOptions, selectObjects } from "./selected_objects.ts";
import { createOne, tell, type WriteOptions, writeOptions } from "./written.ts";

interface ExposeOptions extends SelectionOptions, WriteOptions {
  name?: string;
  port?: string;
  targetPort?: string;
  protocol: string;
  type: string;
  clusterIp?: string;
}

export function registerExpose(program: Command): void {
  writeOptions(selectionOptions(program.command("expose [resource...]")))
    .description("make a Service for its pods: k3ts expose deploy/web --port 80 --target-port 8080")
    .option("--name <name>", "of the Service (default: the object's own)")
    .option("--port <number>", "of the Service (default: those of the containers)")
    .option("--target-port <port>", "of the containers, by number or name (default: the Service's)")
    .option("--protocol <name>", "TCP, UDP or SCTP", "TCP")
    .option("--type <type>", Object.values(SERVICE_TYPES).slice(0, 3).join(", "), "ClusterIP")
    .option("--cluster-ip <address>", "its address; None: headless")
    .action((words: string[], options: ExposeOptions) =>
      withCluster(options, (connection, namespace) => expose(words, options, connection, namespace))
    );
}

async function expose(words: string[], options: ExposeOptions, connection: Connection, home: string): Promise<void> {
  const dryRun = parseDryRun(options.dryRun);
  const format = parseObjectFormat(options.output);
  const type = Object.values(SERVICE_TYPES).find((one) => one === options.type && one !== "ExternalName");
  if (type === undefined) {
    throw new Problem(`--type must be ClusterIP, NodePort or LoadBalancer: it is "${options.type}".`);
  }
  const { clients } = connection;
  for (const found of await selectObjects(words, options, connection, home, "expose")) {
    const name = displayName(found.resource, found.object.metadata.name!);
    const seen = await found.client.get(found.object.metadata.name!, { namespace: found.namespace }) as Exposed;
    const service = makeService(options.name ?? seen.metadata.name!, {
      type,
      ports: portsOf(name, seen, options),
      selector: selectorOf(name, found.resource.kind, seen),
      ...(options.clusterIp !== undefined && { clusterIP: options.clusterIp }),
      ...(seen.metadata.labels !== undefined && { labels: seen.metadata.labels }),
    });
    const resource = findResource("services", await clients.discover());
    const made = await createOne(clients.of<KubernetesObject>(resources.services), service, found.namespace, dryRun);
    tell(resource, made, "exposed", dryRun, format);
  }
}

export interface Exposed extends KubernetesObject {
  spec?: PodSpec & {
    template?: { spec?: PodSpec };
    selector?: LabelSelector | Record<string, string>;
    ports?: { name?: string; port: number; protocol?: string }[];
  };
}

/** @throws {Problem} when its pods cannot be told by labels alone */
export function selectorOf(name: string, kind: string, { metadata, spec }: Exposed): Record<string, string> {
  if (kind === "Pod") {
    if (Object.keys(metadata.labels ?? {}).length > 0) return metadata.labels!;
    throw new Problem(`${name} has no labels by which a Service could find it.`, "Give it one: k3ts label");
  }
  const { selector } = spec ?? {};
  if (kind === "Service" && selector !== undefined) return selector as Record<string, string>;
  const { matchLabels, matchExpressions } = (selector ?? {}) as LabelSelector;
  if (matchLabels === undefined) throw new Problem(`${name} has no pods that a Service could find.`);
  if (matchExpressions !== undefined && matchExpressions.length > 0) {
    throw new Problem(`${name} selects its pods by expressions, which a Service cannot.`);
  }
  return matchLabels;
}

/** @throws {Problem} when none is named and none is known */
export function portsOf(name: string, { spec }: Exposed, options: ExposePorts): ServicePort[] {
  const { port, targetPort, protocol } = options;
  const target = targetPort === undefined ? undefined : portNumber(targetPort) ?? targetPort;
  if (port !== undefined) {
    const numbers = port.split(",").map((text) => {
      const number = portNumber(text);
      if (number === undefined) throw new Problem(`--port must be from 1 to 65535: it is "${text}".`);
      return number;
    });
    return numbers.map((number) => ({
      ...(numbers.length > 1 && { name: `port-${number}` }),
      port: number,
      protocol,
      targetPort: target ?? number,
    }));
  }
  const containers = (spec?.template?.spec ?? spec)?.containers ?? [];
  const known = [
    ...containers.flatMap(({ ports = [] }) =>
      ports.map(({ containerPort, protocol }) => ({ port: containerPort, protocol }))
    ),
    ...(containers.length === 0 ? spec?.ports ?? [] : []),
  ];
  if (known.length === 0) throw new Problem(`${name} does not say where its containers listen: name it with --port.`);
  return known.map(({ port, protocol = "TCP" }) => ({
    ...(known.length > 1 && { name: `port-${port}` }),
    port,
    protocol,
    targetPort: target ?? port,
  }));
}

type ExposePorts = Pick<ExposeOptions, "port" | "targetPort" | "protocol">;
