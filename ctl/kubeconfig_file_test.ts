import { deepEqual as assertEquals, equal, ok, rejects, throws } from "node:assert/strict";
import { KubeconfigFile } from "./kubeconfig_file.ts";

const TEXT = `# mine
apiVersion: v1
kind: Config
current-context: a
contexts:
  - name: a # the first
    context: {cluster: one, user: me, namespace: web}
clusters:
  - {name: one, cluster: {server: "https://one"}}
users: null
`;

Deno.test("entries are read by their names", () => {
  const file = KubeconfigFile.parse("x", TEXT);
  equal(file.currentContext, "a");
  assertEquals(file.names("contexts"), ["a"]);
  assertEquals(file.names("users"), []);
  assertEquals(file.get("contexts", "a"), { cluster: "one", user: "me", namespace: "web" });
  equal(file.get("contexts", "b"), undefined);
});

Deno.test("what is changed leaves the rest as it was, comments too", () => {
  const file = KubeconfigFile.parse("x", TEXT);
  file.currentContext = "b";
  equal(file.set("contexts", "b", { cluster: "one", user: "me" }), false);
  equal(file.set("clusters", "one", { server: "https://two" }), true);
  equal(file.set("users", "me", { token: "t" }), false);
  const again = KubeconfigFile.parse("x", file.toString());
  equal(again.currentContext, "b");
  assertEquals(again.names("contexts"), ["a", "b"]);
  assertEquals(again.get("clusters", "one"), { server: "https://two" });
  assertEquals(again.get("users", "me"), { token: "t" });
  ok(file.toString().includes("# mine") && file.toString().includes("# the first"));
  equal(file.remove("contexts", "a"), true);
  equal(file.remove("contexts", "a"), false);
});

Deno.test("merging replaces entries of the same name and keeps the others", () => {
  const file = KubeconfigFile.parse("x", TEXT);
  const other = KubeconfigFile.parse("y", "");
  other.set("clusters", "one", { server: "https://new" });
  other.set("clusters", "two", { server: "https://two" });
  file.merge(other);
  assertEquals(file.names("clusters"), ["one", "two"]);
  assertEquals(file.get("clusters", "one"), { server: "https://new" });
  assertEquals(file.names("contexts"), ["a"]);
});

Deno.test("what is no kubeconfig is refused", () => {
  throws(() => KubeconfigFile.parse("x", "- a"), /it must be a kubeconfig/);
  throws(() => KubeconfigFile.parse("x", "a: ["), /it must be YAML/);
});

Deno.test("a file is made for its owner alone, and through a link", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const file = await KubeconfigFile.open(`${folder}/deep/config`);
    file.currentContext = "a";
    await file.write();
    equal((await Deno.stat(`${folder}/deep/config`)).mode! & 0o777, 0o600);
    await Deno.symlink(`${folder}/deep/config`, `${folder}/link`);
    const linked = await KubeconfigFile.open(`${folder}/link`);
    linked.currentContext = "b";
    await linked.write();
    ok((await Deno.lstat(`${folder}/link`)).isSymlink);
    equal((await KubeconfigFile.open(`${folder}/deep/config`)).currentContext, "b");
    await rejects(KubeconfigFile.open(folder), /Cannot read/);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
