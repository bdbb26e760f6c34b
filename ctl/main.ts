/** The `k3ts` command. */
import { Command } from "commander";
import { placeLeading, settleFlags, splitArguments } from "./arguments.ts";
import { registerCommands } from "./command_table.ts";
import { VERSION } from "./version.ts";

const program = new Command("k3ts")
  .description("Containers on one to a few thousand machines.")
  .version(VERSION, "--version")
  // Commands take both over.
  .showHelpAfterError("See what there is with --help.")
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, "Error: ")) });

const words = splitArguments(Deno.args);
await registerCommands(program, words.rest[0]);
const { command, depth } = commandOf(program, words.rest);
await program.parseAsync(settleFlags(placeLeading(words, depth), command.options), { from: "user" });
// Without waiting for what may still be open, such as a terminal that nobody types into.
Deno.exit();

/** What the words name, and how many of them do: two for `rollout status`. */
function commandOf(program: Command, rest: readonly string[]): { command: Command; depth: number } {
  let command = program;
  for (let depth = 0;; depth++) {
    const word = rest[depth];
    const next = command.commands.find((one) => word !== undefined && [one.name(), ...one.aliases()].includes(word));
    if (next === undefined) return { command, depth };
    command = next;
  }
}
