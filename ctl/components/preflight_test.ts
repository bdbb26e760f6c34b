import { deepEqual as assertEquals, match } from "node:assert/strict";
import { enabledControllers, portProblem } from "./preflight.ts";

Deno.test("controllers are found in cgroup v1 where they are on, and in v2 where they are named", () => {
  const legacy = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t9\t1\nmemory\t0\t5\t0\n";
  assertEquals([...enabledControllers(legacy, "")], ["cpu"]);
  assertEquals([...enabledControllers("", "cpuset cpu memory pids\n")], ["cpuset", "cpu", "memory", "pids"]);
  assertEquals([...enabledControllers("", "")], []);
});

Deno.test("a port in use is told with what to do", () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  match(portProblem("127.0.0.1", port)!, new RegExp(`^Port ${port} on 127.0.0.1 is in use .*--port\\.$`));
});
