/** `k3ts edit`: an object in an editor. */
import type { Command } from "commander";
import { isConflict, isInvalid, type KubernetesObject } from "@k3ts/client";
import { parseDocument, stringify } from "yaml";
import { withCluster } from "../command.ts";
import type { Connection } from "../connection.ts";
import { displayName } from "../names.ts";
import { withoutManagers } from "../output/objects.ts";
import { explain, Problem } from "../problem.ts";
import type { Located } from "./manifest_objects.ts";
import { type SelectionOptions, selectionOptions, selectObjects } from "./selected_objects.ts";

export function registerEdit(program: Command): void {
  selectionOptions(program.command("edit [resource...]"))
    .description("change an object in an editor: k3ts edit deploy/web (EDITOR names it)")
    .action((words: string[], options: SelectionOptions) =>
      withCluster(options, async (connection: Connection, namespace: string) => {
        for (const one of await selectObjects(words, options, connection, namespace, "edit")) await edit(one);
      })
    );
}

const HEADING = "# Change what is to change, save and leave. An empty file changes nothing.\n";

async function edit(found: Located): Promise<void> {
  const { client, object, namespace, resource } = found;
  const name = displayName(resource, object.metadata.name!);
  const before = withoutManagers(await client.get(object.metadata.name!, { namespace }));
  const original = stringify(before, { aliasDuplicateObjects: false, lineWidth: 0 });
  const file = await Deno.makeTempFile({ prefix: "k3ts-edit-", suffix: ".yaml" });
  let text = HEADING + original;
  try {
    while (true) {
      await Deno.writeTextFile(file, text);
      await openEditor(file);
      const edited = await Deno.readTextFile(file);
      const content = withoutComments(edited);
      if (content.trim() === "" || content.trim() === original.trim()) {
        return console.log(`${name} was not changed.`);
      }
      // Saved again as it was shown: whoever does that has given up.
      if (edited === text && text !== HEADING + original) throw new Problem(`${name} was not changed.`);
      const complaint = await write(found, content);
      if (complaint === undefined) return console.log(`${name} edited`);
      text = `${complaint.split("\n").map((line) => `# ${line}`).join("\n")}\n${content}`;
      console.error(complaint);
      if (!Deno.stdin.isTerminal()) throw new Problem(`${name} was not changed.`);
    }
  } finally {
    await Deno.remove(file);
  }
}

/** @returns what is wrong with it, if something is */
async function write({ client, namespace }: Located, text: string): Promise<string | undefined> {
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error !== undefined) return `This is no YAML: ${error.message}`;
  try {
    await client.update(document.toJS() as KubernetesObject, { namespace, fieldValidation: "Strict" });
    return undefined;
  } catch (error) {
    if (isConflict(error)) {
      throw new Problem("Somebody else has changed it meanwhile.", "Run k3ts edit again.", { cause: error });
    }
    if (!isInvalid(error) && !isBad(error)) throw error;
    return explain(error);
  }
}

function isBad(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === 400;
}

function withoutComments(text: string): string {
  return text.split("\n").filter((line) => !line.startsWith("#")).join("\n");
}

async function openEditor(file: string): Promise<void> {
  const editor = Deno.env.get("KUBE_EDITOR") || Deno.env.get("VISUAL") || Deno.env.get("EDITOR") || "vi";
  // It may have options, and so is for the shell to read.
  const { code } = await new Deno.Command("sh", {
    args: ["-c", `${editor} "$1"`, "sh", file],
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn().status;
  if (code !== 0) throw new Problem(`The editor (${editor}) ended with exit ${code}: nothing was changed.`);
}
