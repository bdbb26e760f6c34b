/** What a word may become, asked of the cluster where it knows. */
import { delimiter } from "node:path";
import type { Command } from "commander";
import { type Pod, resources } from "@k3ts/model/objects";
import type { Connection } from "../connection.ts";
import { kubeconfigPath } from "../connection.ts";
import { KubeconfigFile } from "../kubeconfig_file.ts";
import { findResource, reference } from "../names.ts";
import type { Line } from "./line.ts";

export interface Candidates {
  words: { word: string; description?: string }[];
  /** What a shell is to do beside showing them. */
  directive: "none" | "files" | "nospace";
}

/** Asks the cluster: only called where it has to be asked. */
export type Connect = (line: Line) => Promise<{ connection: Connection; namespace: string }>;

/** More than these nobody reads, and the cluster need not send. */
const NAMES_MAX = 500;

const CONTROL = /\p{Cc}/u;

const NONE: Candidates = { words: [], directive: "none" };
const FILES: Candidates = { words: [], directive: "files" };

/** Those that begin with the word. @throws when the cluster cannot be asked */
export async function candidates(line: Line, connect: Connect): Promise<Candidates> {
  const { words, directive } = await all(line, connect);
  // Names of some kinds may hold what ends a line, or what a terminal obeys.
  return { words: words.filter(({ word }) => word.startsWith(line.word) && !CONTROL.test(word)), directive };
}

async function all(line: Line, connect: Connect): Promise<Candidates> {
  const { place } = line;
  switch (place.type) {
    case "unknown":
      return FILES;
    case "command":
      return {
        ...NONE,
        words: visible(place.command).map((command) => ({ word: command.name(), description: command.description() })),
      };
    case "flag":
      return {
        ...NONE,
        words: place.command.options.filter(({ hidden }) => !hidden)
          .flatMap(({ long, description }) => long === undefined ? [] : [{ word: long, description }]),
      };
    case "value": {
      const found = await valuesOf(place.option.long ?? "", line, connect, place.option.argChoices);
      return { ...found, words: found.words.map(({ word, ...rest }) => ({ word: `${place.prefix}${word}`, ...rest })) };
    }
    case "argument":
      return await argumentsOf(place.name, place.command, line, connect);
  }
}

/** Those for programs begin with an underscore. */
function visible(command: Command): Command[] {
  return command.commands.filter((one) => !one.name().startsWith("_"));
}

/** By the long name of the option. */
const VALUES: Record<string, readonly string[]> = {
  "--output": ["json", "yaml", "wide", "name", "jsonpath=", "custom-columns="],
  "--dry-run": ["none", "client", "server"],
  "--cascade": ["background", "foreground", "orphan"],
  "--types": ["Normal", "Warning"],
  "--for": ["condition=", "delete", "create", "jsonpath="],
  "--type": ["strategic", "merge", "json"],
  "--subresource": ["status", "scale", "log", "exec"],
  "--sort-by": ["cpu", "memory", ".metadata.name", ".metadata.creationTimestamp"],
};
const PATHS = ["--filename", "--kubeconfig", "--data-dir", "--from-file", "--from-env-file", "--patch-file", "--merge"];

async function valuesOf(
  option: string,
  line: Line,
  connect: Connect,
  choices: readonly string[] | undefined,
): Promise<Candidates> {
  if (choices !== undefined) return { ...NONE, words: choices.map((word) => ({ word })) };
  if (PATHS.includes(option)) return FILES;
  if (option === "--namespace") return { ...NONE, words: await namesOf("namespaces", line, connect) };
  if (option === "--context") return { ...NONE, words: await contexts(line) };
  if (option === "--container") return { ...NONE, words: await containers(line, connect) };
  if (option === "--service-account") return { ...NONE, words: await namesOf("serviceaccounts", line, connect) };
  if (option === "--for" && line.place.type === "value" && line.place.command.name() === "events") {
    return await objects(line, line.word, connect);
  }
  const words = (VALUES[option] ?? []).map((word) => ({ word }));
  return { words, directive: words.some(({ word }) => word.endsWith("=")) ? "nospace" : "none" };
}

/** By the name that the command gives its argument. */
async function argumentsOf(name: string, command: Command, line: Line, connect: Connect): Promise<Candidates> {
  switch (name) {
    case "resource":
    case "target":
      return await objects(line, line.word, connect);
    case "pod":
      return line.word.includes("/")
        ? await objects(line, line.word, connect)
        : { ...NONE, words: await namesOf("pods", line, connect) };
    case "node":
      return { ...NONE, words: await namesOf("nodes", line, connect) };
    case "shell":
      return { ...NONE, words: ["bash", "zsh", "fish"].map((word) => ({ word })) };
    case "verb":
      return {
        ...NONE,
        words: ["get", "list", "watch", "create", "update", "patch", "delete", "*"].map((word) => ({ word })),
      };
    case "serviceaccount":
      return { ...NONE, words: await namesOf("serviceaccounts", line, connect) };
    case "name":
    case "old":
      return command.parent?.name() === "config" ? { ...NONE, words: await contexts(line) } : NONE;
    case "from":
    case "to":
      return await copyEnds(line, connect);
    default:
      return FILES;
  }
}

/** `pods`, `pods a`, `pod/a`, `pods,services`. */
async function objects(line: Line, word: string, connect: Connect): Promise<Candidates> {
  const [kind = "", name] = word.split("/", 2);
  if (name !== undefined) {
    const words = await namesOf(kind, line, connect);
    return { ...NONE, words: words.map((one) => ({ word: `${kind}/${one.word}` })) };
  }
  const first = line.place.type === "argument" ? line.arguments[firstArgument(line)] : undefined;
  if (first !== undefined && !first.includes("/")) {
    const used = new Set(line.arguments);
    return { ...NONE, words: (await namesOf(first, line, connect)).filter((one) => !used.has(one.word)) };
  }
  const { connection } = await connect(line);
  const prefix = word.slice(0, word.lastIndexOf(",") + 1);
  const isQuestion = line.place.type === "argument" && line.place.name === "target";
  const discovered = (await connection.clients.discover())
    // What is only answered and not stored can be asked about, and nothing else.
    .filter(({ preferred, verbs }) => preferred && (isQuestion || verbs.includes("list")));
  // A resource of the core group goes before others of its name, as everywhere.
  const words = new Map(
    discovered.toSorted((a, b) => b.group.length - a.group.length).map((row) => [row.resource, row.kind]),
  );
  const isExplain = line.place.type === "argument" && line.place.command.name() === "explain";
  return {
    words: [...words].toSorted().map(([resource, kind]) => ({ word: prefix + resource, description: kind })),
    directive: isExplain ? "nospace" : "none",
  };
}

/** Where the resource stands: behind the verb for `auth can-i get pods`. */
function firstArgument({ place }: Line): number {
  if (place.type !== "argument") return 0;
  const at = place.command.registeredArguments.findIndex((argument) => argument.name() === place.name);
  return Math.max(at, 0);
}

async function namesOf(word: string, line: Line, connect: Connect): Promise<{ word: string }[]> {
  const { connection, namespace } = await connect(line);
  const resource = findResource(word, await connection.clients.discover());
  const table = await connection.clients.of(reference(resource)).listTable({
    namespace: resource.namespaced && !("allNamespaces" in line.options) ? namespace : undefined,
    limit: NAMES_MAX,
  });
  return table.rows.flatMap(({ object }) =>
    object?.metadata.name === undefined ? [] : [{ word: object.metadata.name }]
  );
}

async function containers(line: Line, connect: Connect): Promise<{ word: string }[]> {
  const [target = ""] = line.arguments;
  const name = target.replace(/^(pods?|po)\//, "");
  if (name === "" || name.includes("/")) return [];
  const { connection, namespace } = await connect(line);
  const { spec } = await connection.clients.of<Pod>(resources.pods).get(name, { namespace });
  return [...spec.containers, ...spec.initContainers ?? []].map(({ name }) => ({ word: name }));
}

async function contexts({ options }: Line): Promise<{ word: string }[]> {
  const path = await kubeconfigPath(options.kubeconfig);
  const listed = Deno.env.get("KUBECONFIG")?.split(delimiter).filter((one) => one !== "") ?? [];
  const home = `${Deno.env.get("HOME") ?? "/root"}/.kube/config`;
  const paths = path !== undefined ? [path] : listed.length > 0 ? listed : [home];
  const files = await Promise.all(paths.map((one) => KubeconfigFile.open(one)));
  return [...new Set(files.flatMap((file) => file.names("contexts")))].map((word) => ({ word }));
}

/** A file here, or `pod:` with a path there. */
async function copyEnds(line: Line, connect: Connect): Promise<Candidates> {
  if (/[:/.]/.test(line.word)) return FILES;
  const pods = await namesOf("pods", line, connect);
  const words = pods.map(({ word }) => ({ word: `${word}:` })).filter(({ word }) => word.startsWith(line.word));
  return words.length > 0 && line.word !== "" ? { words, directive: "nospace" } : { words, directive: "files" };
}
