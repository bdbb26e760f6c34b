import { equal } from "node:assert/strict";
import { joinCommand } from "./cluster.ts";

Deno.test("the command to join never names an address that only this machine has", () => {
  equal(joinCommand("https://10.0.0.1:6443"), "k3ts agent --server https://10.0.0.1:6443 --token TOKEN");
  for (const own of ["127.0.0.1", "localhost", "[::1]"]) {
    equal(joinCommand(`https://${own}:6443`), "k3ts agent --server https://ADDRESS-OF-THE-SERVER:6443 --token TOKEN");
  }
});
