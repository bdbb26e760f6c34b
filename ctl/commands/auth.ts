/** `k3ts auth`: who am I, and what may I do. */
import type { Command } from "commander";
import { ApiError, type KubernetesObject } from "@k3ts/client";
import { resources } from "@k3ts/model/objects";
import type { DiscoveredResource } from "@k3ts/proto";
import { type ClusterOptions, clusterOptions, namespaceOptions, withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { findResource } from "../names.ts";
import { type PolicyRule, renderRules } from "../output/rules.ts";
import { align } from "../output/table.ts";
import { Problem } from "../problem.ts";

interface CanIOptions extends ClusterOptions {
  list?: boolean;
  quiet?: boolean;
  subresource?: string;
  allNamespaces?: boolean;
  headers: boolean;
}

export function registerAuth(program: Command): void {
  const auth = program.command("auth").description("who am I, and what may I do");
  namespaceOptions(auth.command("can-i [verb] [target]"))
    .description("may I do this: k3ts auth can-i create pods, k3ts auth can-i get /metrics; exits with 1 if not")
    .option("--list", "all that I may do")
    .option("-q, --quiet", "say it by the exit code alone")
    .option("--subresource <name>", "of the resource: log, exec, status, scale")
    .option("-A, --all-namespaces", "in all namespaces")
    .option("--no-headers", "with --list: without the line of column names")
    .action((verb: string | undefined, target: string | undefined, options: CanIOptions) =>
      withCluster(options, (connection, namespace) => canI(verb, target, options, connection, namespace))
    );
  clusterOptions(auth.command("whoami"))
    .description("the user that the server takes me for, with its groups")
    .action((options: ClusterOptions) => withCluster(options, whoAmI));
}

interface Review extends KubernetesObject {
  spec?: unknown;
  status?: unknown;
}

interface ReviewStatus {
  allowed?: boolean;
  reason?: string;
  evaluationError?: string;
  resourceRules?: PolicyRule[];
  nonResourceRules?: PolicyRule[];
  incomplete?: boolean;
  userInfo?: { username?: string; uid?: string; groups?: string[]; extra?: Record<string, string[]> };
}

/** Reviews are answered and not stored: they need no name. */
async function review(
  { clients }: Connection,
  resource: { group: string; version: string; resource: string },
  spec?: unknown,
): Promise<ReviewStatus> {
  const object: Review = { metadata: {}, ...(spec !== undefined && { spec }) };
  const answer = await clients.of<Review>(resource).create(object);
  return (answer.status ?? {}) as ReviewStatus;
}

async function canI(
  verb: string | undefined,
  target: string | undefined,
  options: CanIOptions,
  connection: Connection,
  namespace: string,
): Promise<void> {
  if (options.list) {
    if (verb !== undefined) throw new Problem("Either name what to do or ask for the --list, not both.");
    return await list(options, connection, namespace);
  }
  if (verb === undefined || target === undefined) {
    throw new Problem("A verb and a resource or path must be named: k3ts auth can-i create pods", "Or see all: --list");
  }
  const spec = target.startsWith("/")
    ? { nonResourceAttributes: { verb, path: target } }
    : { resourceAttributes: { verb, ...await attributesOf(target, options, connection, namespace) } };
  if (target.startsWith("/") && options.subresource !== undefined) {
    throw new Problem("A path has no subresources: leave --subresource out.");
  }
  const status = await review(connection, resources.selfsubjectaccessreviews, spec);
  if (!status.allowed) Deno.exitCode = 1;
  if (options.quiet) return;
  // As with kubectl, the first word is for programs.
  const reason = status.allowed ? undefined : status.evaluationError;
  console.log(`${status.allowed ? "yes" : "no"}${reason === undefined ? "" : ` - ${reason}`}`);
}

async function attributesOf(target: string, options: CanIOptions, { clients }: Connection, namespace: string) {
  const [word = "", name = "", ...more] = target.split("/");
  if (word === "" || more.length > 0) {
    throw new Problem(
      `What to do it to must be RESOURCE, RESOURCE/NAME or a path such as /metrics: it is "${target}".`,
    );
  }
  const subresource = options.subresource ?? "";
  if (word === "*") return { group: "*", resource: "*", subresource, name, namespace: placeOf(options, namespace) };
  const resource = find(word, await clients.discover());
  if (resource?.namespaced === false) {
    if (options.namespace !== undefined) console.error(`Warning: ${resource.resource} are in no namespace.`);
    return { group: resource.group, resource: resource.resource, subresource, name };
  }
  const { group, resource: plural } = resource ?? unknown(word);
  return { group, resource: plural, subresource, name, namespace: placeOf(options, namespace) };
}

function placeOf({ allNamespaces }: CanIOptions, namespace: string): string {
  return allNamespaces ? "" : namespace;
}

/** Roles may be about what the server does not know yet. */
function find(word: string, discovered: readonly DiscoveredResource[]): DiscoveredResource | undefined {
  try {
    return findResource(word, discovered);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    console.error(`Warning: ${error.message}`);
    return undefined;
  }
}

function unknown(word: string): { group: string; resource: string } {
  const [resource = "", ...group] = word.split(".");
  return { group: group.join("."), resource };
}

async function list(options: CanIOptions, connection: Connection, namespace: string): Promise<void> {
  const status = await review(connection, resources.selfsubjectrulesreviews, { namespace });
  const rules = [...status.resourceRules ?? [], ...status.nonResourceRules ?? []];
  if (status.incomplete) console.error(`Warning: the list may lack something: ${status.evaluationError ?? "unknown"}`);
  console.log(renderRules(rules, options.headers));
}

async function whoAmI(connection: Connection): Promise<void> {
  const { userInfo } = await review(connection, resources.selfsubjectreviews).catch((error) => {
    if (error instanceof ApiError && error.code === 404) throw new Problem("This server cannot say who asks.");
    throw error;
  });
  const { username = "", uid, groups = [], extra = {} } = userInfo ?? {};
  console.log(align([
    ["ATTRIBUTE", "VALUE"],
    ["Username", username],
    ...(uid ? [["UID", uid]] : []),
    ["Groups", `[${groups.join(" ")}]`],
    ...Object.entries(extra).toSorted().map(([name, values]) => [`Extra: ${name}`, `[${values.join(" ")}]`]),
  ]));
}
