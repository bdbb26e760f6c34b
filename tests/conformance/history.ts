/** Results that are kept with the sources, to see how things went on: one small file a run. */
import { portable } from "./messages.ts";
import type { Outcome, Result } from "./outcome.ts";

const MESSAGE_CHARS_MAX = 400;

export const HISTORY = `${import.meta.dirname}/history`;

/** All of them, the oldest first. */
export async function readHistory(folder: string = HISTORY): Promise<Result[]> {
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
  const texts = names.filter((name) => name.endsWith(".json")).sort()
    .map((name) => Deno.readTextFile(`${folder}/${name}`));
  return (await Promise.all(texts)).map((text) => JSON.parse(text) as Result);
}

/** @returns the path of the file */
export async function writeHistory(result: Result, folder: string = HISTORY): Promise<string> {
  const time = result.started.replace(/\.\d+Z$/, "Z").replace(/[:-]/g, "");
  const path = `${folder}/${time}-${result.selection.replace(/^--/, "").replace(/[^a-z0-9]+/g, "-")}.json`;
  const outcomes = result.outcomes.map(short).sort((a, b) => (a.name < b.name ? -1 : 1));
  // Which tests these were, the outcomes say.
  const text = JSON.stringify({ ...result, tests: [], outcomes }, null, 0);
  await Deno.writeTextFile(path, `${text.replaceAll('{"name"', '\n{"name"')}\n`);
  return path;
}

/** Without what only the machine has that it ran on, so that two runs with the same outcome are told by the same words. */
function short({ log: _, message, ...outcome }: Outcome): Outcome {
  return message === undefined ? outcome : { ...outcome, message: portable(message).slice(0, MESSAGE_CHARS_MAX) };
}
