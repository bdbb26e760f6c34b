import { equal, match } from "node:assert/strict";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

Deno.test("nothing that console says comes to standard output once frames do", async () => {
  const program = `
    import { stdioChannel } from "./frames/mod.ts";
    stdioChannel();
    console.log("said %s", "once");
    for (const name of Object.keys(console)) if (name !== "context") try { console[name]("label"); } catch {}
    Deno.exit();
  `;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--no-remote", "--cached-only", "--ext=ts", "-"],
    cwd: dirname(dirname(fileURLToPath(import.meta.url))),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = process.output();
  await new Blob([program]).stream().pipeTo(process.stdin);
  const { stdout, stderr } = await output;
  equal(new TextDecoder().decode(stdout), "");
  match(new TextDecoder().decode(stderr), /said once/);
});
