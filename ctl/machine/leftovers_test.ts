import { deepEqual as assertEquals, equal } from "node:assert/strict";
import { isProgram, linkNames } from "./leftovers.ts";
import { parseMounts } from "./proc.ts";

Deno.test("mounts are read with the letters that the kernel escapes", () => {
  const text = "overlay /var/lib/k3ts/node/a overlay rw 0 0\ntmpfs /mnt/my\\040disk tmpfs rw 0 0\n";
  assertEquals(parseMounts(text), ["/var/lib/k3ts/node/a", "/mnt/my disk"]);
});

Deno.test("interfaces are read from what the kernel counts of them", () => {
  const text = "Inter-|   Receive\n face |bytes\n    lo: 1 2\nk3ts0:0 0\n  k3v1a2b: 5 5\n";
  assertEquals(linkNames(text), ["lo", "k3ts0", "k3v1a2b"]);
});

Deno.test("programs of ours are told from others that speak of them", () => {
  equal(isProgram(["/n/k3ts-shim", "--bundle", "/d/x"]), true);
  equal(isProgram(["deno", "run", "/src/agent/main.ts", "--data-dir", "/d"]), true);
  equal(isProgram(["vim", "/src/agent/main.ts.md"]), false);
  equal(isProgram(["deno", "/src/ctl/main.ts", "doctor"]), false);
});
