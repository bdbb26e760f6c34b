/** `--dry-run`, as kubectl has it. */
import { Option } from "commander";
import { Problem } from "./problem.ts";

/** `client`: nothing is sent. `server`: the server checks everything and stores nothing. */
export type DryRun = "client" | "server" | undefined;

export function dryRunOption(): Option {
  return new Option("--dry-run [where]", "change nothing: client (send nothing) or server (have it checked)");
}

export function parseDryRun(word: string | undefined): DryRun {
  if (word === undefined || word === "none" || word === "false") return undefined;
  if (word === "client" || word === "" || word === "true") return "client";
  if (word === "server") return word;
  throw new Problem(`--dry-run must be none, client or server: it is "${word}".`);
}

/** Behind what would have been done. */
export function dryRunSuffix(dryRun: DryRun): string {
  return dryRun === undefined ? "" : dryRun === "client" ? " (dry run)" : " (server dry run)";
}
