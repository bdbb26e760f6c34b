/** A backend as a process of its own, which can be killed. */
import { fileURLToPath } from "node:url";
import { until } from "../supervisor/supervised.ts";

export async function startBackend(path: string): Promise<Deno.ChildProcess> {
  const backend = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--cached-only", fileURLToPath(new URL("backend.ts", import.meta.url)), path],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await until("the backend listens", async () => {
    using _connection = await Deno.connect({ transport: "unix", path });
    return true;
  });
  return backend;
}
