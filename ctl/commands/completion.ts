/** `k3ts completion`: what a shell loads for Tab, and the answers that it then asks for. */
import type { Command } from "commander";
import { candidates, type Connect } from "../completion/candidates.ts";
import { type Line, readLine } from "../completion/line.ts";
import { attempt } from "../command.ts";
import { registerCommands } from "../command_table.ts";
import { connect } from "../connection.ts";
import { nearest } from "../nearest.ts";
import { writeText } from "../output/write.ts";
import { Problem } from "../problem.ts";

const SHELLS = ["bash", "zsh", "fish"];
/** Whoever presses Tab waits no longer. */
const ANSWER_MS_MAX = 3_000;

export function registerCompletion(program: Command): void {
  program.command("completion <shell>")
    .description("have Tab complete k3ts in bash, zsh or fish: source <(k3ts completion bash)")
    .action((shell: string) => attempt(() => script(shell)));
  program.command("__complete [words...]", { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action((words: string[]) => complete(words));
}

async function script(shell: string): Promise<void> {
  if (!SHELLS.includes(shell)) {
    const meant = nearest(shell, SHELLS);
    throw new Problem(
      `The shell must be one of ${SHELLS.join(", ")}: it is "${shell}"${meant ? `; did you mean ${meant}?` : "."}`,
    );
  }
  writeText(await Deno.readTextFile(new URL(`../completion/k3ts.${shell}`, import.meta.url)));
}

/** A shell has no use for what went wrong: then there is nothing to complete, and it falls back to files. */
async function complete(words: string[]): Promise<void> {
  // Without a program of our own: that one has read its own words already.
  const { Command } = await import("commander");
  const program = new Command("k3ts");
  const first = words.slice(0, -1).find((word, index) => !word.startsWith("-") && !isValue(words[index - 1]));
  await registerCommands(program, first);
  using connections = new Connections();
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => deadline.reject(new Error("nobody waits any longer")), ANSWER_MS_MAX);
  try {
    const found = await Promise.race([candidates(readLine(program, words), connections.open), deadline.promise]);
    const lines = found.words.map(({ word, description }) => description ? `${word}\t${description}` : word);
    writeText([...lines, `:${found.directive}`, ""].join("\n"));
  } catch {
    writeText(":none\n");
  } finally {
    clearTimeout(timer);
  }
}

/** Whether the word before takes this one. */
function isValue(before: string | undefined): boolean {
  return before !== undefined && /^(-n|--namespace|--context|--kubeconfig|--as|--as-group|--as-uid)$/.test(before);
}

class Connections {
  #opened: ReturnType<Connect> | undefined;
  #close: Disposable[] = [];

  /** One for all questions. */
  open = (line: Line): ReturnType<Connect> => this.#opened ??= this.#connect(line);

  async #connect({ options }: Line): ReturnType<Connect> {
    const { kubeconfig, context, as } = options;
    const connection = await connect({ kubeconfig, context, as });
    this.#close.push(connection);
    return { connection, namespace: options.namespace ?? connection.access.namespace };
  }

  [Symbol.dispose](): void {
    for (const one of this.#close) one[Symbol.dispose]();
  }
}
