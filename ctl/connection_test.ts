import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { impersonation, loadAccess } from "./connection.ts";

Deno.test("whom to be taken for is said in headers, in UTF-8", () => {
  deepEqual(impersonation({ as: "ł", asGroup: ["a", "b"], asUid: "1" }), [
    ["impersonate-user", "\u00c5\u0082"],
    ["impersonate-group", "a"],
    ["impersonate-group", "b"],
    ["impersonate-uid", "1"],
  ]);
  deepEqual(impersonation({}), []);
});

Deno.test("what no header can hold is refused by its name", () => {
  throws(() => impersonation({ as: "a\nb" }), /^Problem: --as takes no control characters: it is "a\\nb"\.$/);
  throws(() => impersonation({ as: "a", asGroup: ["b", "\u0000"] }), /--as-group .* it is "\\u0000"/);
  throws(() => impersonation({ as: "a", asUid: "\u007f" }), /--as-uid takes no control characters/);
  throws(() => impersonation({ asGroup: ["a"] }), /need --as/);
});

Deno.test("a cluster is named by its data directory or by a kubeconfig, whatever the environment has", async () => {
  const dataDir = await Deno.makeTempDir();
  try {
    const config = (server: string) => ({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "k", cluster: { server } }],
      contexts: [{ name: "k", context: { cluster: "k", user: "k" } }],
      users: [{ name: "k", user: { token: "t" } }],
      "current-context": "k",
    });
    await rejects(loadAccess({ dataDir }), /admin\.kubeconfig/);
    await Deno.writeTextFile(`${dataDir}/admin.kubeconfig`, JSON.stringify(config("https://own:6443")));
    await Deno.writeTextFile(`${dataDir}/other`, JSON.stringify(config("https://other:6443")));
    equal((await loadAccess({ dataDir })).url, "https://own:6443");
    equal((await loadAccess({ kubeconfig: `${dataDir}/other` })).url, "https://other:6443");
    await rejects(loadAccess({ dataDir, kubeconfig: `${dataDir}/other` }), /both --kubeconfig and --data-dir/);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});
