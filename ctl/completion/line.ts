/** A command line that is being typed, and what its last word may become. Pure: what the cluster knows is asked for. */
import type { Command, Option } from "commander";

/** What stands in the place of the word. */
export type Place =
  /** The name of a command below the one that is reached. */
  | { type: "command"; command: Command }
  | { type: "flag"; command: Command }
  | { type: "value"; option: Option; prefix: string; command: Command }
  /** @member index of the argument among those of the command, which may be the last one again and again */
  | { type: "argument"; name: string; index: number; command: Command }
  /** What runs in a container, or more words than the command takes: nobody knows. */
  | { type: "unknown" };

export interface Line {
  place: Place;
  /** The word so far. */
  word: string;
  /** Arguments before the word. */
  arguments: string[];
  /** Values of options before it, by the name of the option: `namespace`. */
  options: Record<string, string>;
}

/** @param words without the program's own name; the last one is being typed and may be empty */
export function readLine(program: Command, words: readonly string[]): Line {
  const word = words.at(-1) ?? "";
  const line: Line = { place: { type: "unknown" }, word, arguments: [], options: {} };
  let command = program;
  for (let at = 0; at < words.length - 1; at++) {
    const current = words[at]!;
    if (current === "--") return line;
    if (current.startsWith("-")) {
      const [name = "", ...values] = current.split("=");
      const option = optionOf(command, name);
      if (option?.required && values.length === 0) {
        if (at === words.length - 2) return { ...line, place: { type: "value", option, prefix: "", command } };
        line.options[option.attributeName()] = words[++at]!;
      } else if (option !== undefined) {
        line.options[option.attributeName()] = values.join("=");
      }
      continue;
    }
    const next = line.arguments.length === 0 ? subcommand(command, current) : undefined;
    if (next !== undefined) command = next;
    else line.arguments.push(current);
  }
  line.place = placeOf(command, line);
  return line;
}

function placeOf(command: Command, { word, arguments: before }: Line): Place {
  const [name = "", ...values] = word.split("=");
  if (word.startsWith("-")) {
    const option = values.length === 0 ? undefined : optionOf(command, name);
    return option === undefined ? { type: "flag", command } : { type: "value", option, prefix: `${name}=`, command };
  }
  if (command.commands.length > 0) return before.length === 0 ? { type: "command", command } : { type: "unknown" };
  const wanted = command.registeredArguments;
  const argument = wanted[before.length] ?? (wanted.at(-1)?.variadic ? wanted.at(-1) : undefined);
  if (argument === undefined) return { type: "unknown" };
  return { type: "argument", name: argument.name(), index: before.length, command };
}

/** Those of the cluster may stand before the command, which is not known by then. */
const LEADING: Record<string, string> = { "-n": "--namespace" };

function optionOf(command: Command, word: string): Option | undefined {
  const name = command.parent === null ? LEADING[word] ?? word : word;
  const own = command.options.find(({ short, long }) => short === name || long === name);
  return own ?? (command.parent === null ? leadingOption(command, name) : undefined);
}

function leadingOption(program: Command, name: string): Option | undefined {
  const all = program.commands.flatMap((command) => [command, ...command.commands]).flatMap(({ options }) => options);
  return all.find(({ long, required }) => long === name && required && CLUSTER_OPTIONS.includes(name));
}

const CLUSTER_OPTIONS = ["--namespace", "--context", "--kubeconfig", "--as", "--as-group", "--as-uid"];

function subcommand(command: Command, word: string): Command | undefined {
  return command.commands.find((one) => one.name() === word || one.aliases().includes(word));
}
