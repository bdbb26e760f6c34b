/** A full disk is an error that says so, and not a write that never ends. */
import { equal, match } from "node:assert/strict";
import { fileURLToPath } from "node:url";

const WRITER = fileURLToPath(new URL("./store_writer.ts", import.meta.url));
const DISK_MEGABYTES = 24;

Deno.test({
  name: "a write to a full disk fails and says why",
  // A disk of its own needs a mount.
  ignore: Deno.uid() !== 0,
  async fn() {
    const path = await Deno.makeTempDir({ prefix: "k3ts-full-" });
    try {
      const script = `mount -t tmpfs -o size=${DISK_MEGABYTES}m none "$1" && exec "$0" run -A "$2" "$1"`;
      const { code, stderr } = await new Deno.Command("unshare", {
        args: ["--mount", "sh", "-c", script, Deno.execPath(), path, WRITER],
        stdout: "null",
      }).output();
      equal(code, 1);
      match(new TextDecoder().decode(stderr), /Cannot append to the store in .*: No space left on device/);
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  },
});
