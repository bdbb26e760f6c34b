/** Which state of the sources this checkout is in. */
import { ROOT } from "./paths.ts";
import { output } from "./run.ts";

/** @returns the commit, shortened, with "+" when files differ from it; empty for a copy that is no checkout */
export async function commitOfSources(): Promise<string> {
  if (!await Deno.stat(`${ROOT}/.git`).then(() => true, () => false)) return "";
  const commit = await output(["git", "rev-parse", "--short", "HEAD"], { cwd: ROOT });
  const changes = await output(["git", "status", "--porcelain", "--untracked-files=no"], { cwd: ROOT });
  return changes === "" ? commit : `${commit}+`;
}
