import { deepEqual as assertEquals, equal, match, rejects } from "node:assert/strict";
import { enabledControllers, findRuntime, portProblem } from "./preflight.ts";

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

Deno.test("a runtime is named as the node finds it, or by its path", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/youki-next`, "", { mode: 0o755 });
    await Deno.writeTextFile(`${folder}/notes`, "", { mode: 0o644 });
    equal(await findRuntime("youki-next", `/nowhere:${folder}`), `${folder}/youki-next`);
    equal(await findRuntime(`${folder}/../${folder.split("/").at(-1)}/youki-next`), `${folder}/youki-next`);
    // Where the native parts look themselves, whoever starts them.
    equal(await findRuntime("sh", folder), "sh");
    for (const wrong of ["notes", `${folder}/notes`, "missing", folder]) {
      await rejects(findRuntime(wrong, folder), new RegExp(`--runtime must name a program .* there is no "${wrong}"`));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
