import { equal, rejects } from "node:assert/strict";
import { withoutServices } from "./debian.ts";

async function inFolder(work: (policy: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-debian-" });
  try {
    await work(`${folder}/policy-rc.d`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const isThere = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("while packages are installed a policy forbids services, and only then", () =>
  inFolder(async (policy) => {
    const code = await withoutServices(async () => (await new Deno.Command(policy).output()).code, policy);
    equal(code, 101); // invoke-rc.d: forbidden by policy
    equal(await isThere(policy), false);
    await rejects(withoutServices(() => Promise.reject(new Error("no room")), policy), /no room/);
    equal(await isThere(policy), false);
  }));

Deno.test("a policy of the machine's own stays as it is", () =>
  inFolder(async (policy) => {
    await Deno.writeTextFile(policy, "mine");
    await withoutServices(() => Promise.resolve(), policy);
    equal(await Deno.readTextFile(policy), "mine");
  }));

Deno.test("a policy that a process of ours left behind when it was killed forbids nothing, and is replaced", () =>
  inFolder(async (policy) => {
    const killed = new Deno.Command("true").spawn();
    await killed.status;
    let left = "";
    await withoutServices(async () => {
      left = (await Deno.readTextFile(policy)).replace(`/proc/${Deno.pid}/`, `/proc/${killed.pid}/`);
    }, policy);
    await Deno.writeTextFile(policy, left, { mode: 0o755 });
    equal((await new Deno.Command(policy).output()).code, 0);
    await withoutServices(async () => equal((await new Deno.Command(policy).output()).code, 101), policy);
    equal(await isThere(policy), false);
  }));
