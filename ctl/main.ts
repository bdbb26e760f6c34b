/** The `k3ts` command. */
import { Command } from "commander";
import { placeLeading, splitArguments } from "./arguments.ts";
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
await program.parseAsync(placeLeading(words, wordsOfCommand(program, words.rest)), { from: "user" });
// Without waiting for what may still be open, such as a terminal that nobody types into.
Deno.exit();

/** How many of the words name the command: two for `rollout status`. */
function wordsOfCommand(program: Command, rest: readonly string[]): number {
  let command = program;
  for (let count = 0;; count++) {
    const next = command.commands.find((one) => one.name() === rest[count] || one.aliases().includes(rest[count]!));
    if (next === undefined) return count;
    command = next;
  }
}
