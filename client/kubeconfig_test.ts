import { deepEqual as assertEquals, equal, rejects } from "node:assert/strict";
import { join } from "node:path";
import { loadKubeconfig } from "./kubeconfig.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";

const ADMIN = `
apiVersion: v1
kind: Config
current-context: k3ts
clusters:
- name: k3ts
  cluster:
    server: https://127.0.0.1:6443
    certificate-authority-data: ${btoa(PEM)}
users:
- name: admin
  user:
    client-certificate: admin.crt
    client-key-data: ${btoa("key")}
- name: token
  user: { tokenFile: token }
- name: cloud
  user: { exec: { command: cloud-login } }
contexts:
- name: k3ts
  context: { cluster: k3ts, user: admin }
- name: other
  context: { cluster: k3ts, user: token, namespace: web }
- name: cloud
  context: { cluster: k3ts, user: cloud }
- name: broken
  context: { cluster: gone, user: admin }
`;

Deno.test("the current context gives server, authority and credentials, from data or files beside it", async () => {
  await using files = await write({ config: ADMIN, "admin.crt": PEM });
  assertEquals(await loadKubeconfig({ path: files.path("config") }), {
    context: "k3ts",
    namespace: "default",
    url: "https://127.0.0.1:6443",
    caCertificate: PEM,
    certificate: PEM,
    key: "key",
  });
});

Deno.test("a context that is named goes before the current one", async () => {
  await using files = await write({ config: ADMIN, token: "secret\n" });
  const { namespace, token } = await loadKubeconfig({ path: files.path("config"), context: "other" });
  assertEquals([namespace, token], ["web", "secret"]);
});

Deno.test("of several files the first that has an entry decides, and missing files are passed over", async () => {
  await using files = await write({
    first: "current-context: other\nusers: [{ name: token, user: { token: mine } }]\ncontexts: null\n",
    second: ADMIN,
  });
  const KUBECONFIG = [files.path("none"), files.path("first"), files.path("second")].join(":");
  const { context, token } = await loadKubeconfig({ environment: { KUBECONFIG } });
  assertEquals([context, token], ["other", "mine"]);
});

Deno.test("without KUBECONFIG the file in the home folder is read", async () => {
  await using files = await write({ ".kube/config": ADMIN, ".kube/admin.crt": PEM });
  equal((await loadKubeconfig({ environment: { HOME: files.path("") } })).context, "k3ts");
});

Deno.test("what is missing is named", async () => {
  await using files = await write({ config: ADMIN, empty: "", wrong: "a: [" });
  const path = files.path("config");
  await rejects(loadKubeconfig({ path: files.path("none") }), /the file must exist: .*none does not/);
  await rejects(loadKubeconfig({ path: files.path("empty") }), /must have a current context/);
  await rejects(loadKubeconfig({ path: files.path("wrong") }), /Cannot read kubeconfig .*wrong/);
  await rejects(loadKubeconfig({ path, context: "nope" }), /must have the context "nope"/);
  await rejects(loadKubeconfig({ path, context: "broken" }), /must have the cluster "gone"/);
  await rejects(loadKubeconfig({ path, context: "cloud" }), /it has a credential plugin/);
});

async function write(texts: Record<string, string>) {
  const directory = await Deno.makeTempDir();
  const path = (name: string) => join(directory, name);
  await Deno.mkdir(path(".kube"));
  for (const [name, text] of Object.entries(texts)) await Deno.writeTextFile(path(name), text);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(directory, { recursive: true }) };
}
