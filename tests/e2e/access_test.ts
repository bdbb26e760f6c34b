/** Who may what, on the real thing: a stolen node, a pod with its token, certificates that end, nobody at all. */
import { equal, match, notEqual, ok } from "node:assert/strict";
import { busyboxImage } from "@k3ts/tools/busybox-image";
import { dirname } from "node:path";
import { eventually, type Output, TestCluster } from "./cluster.ts";

const IMAGE = "busybox:1.37";
const SERVER = "https://127.0.0.1:6443";
/** Renewed every 20 s. */
const LIFETIME = "30s";

Deno.test("everybody may what they may, and no more", async (t) => {
  await using cluster = await TestCluster.start("--certificate-lifetime", LIFETIME);
  const archive = `${cluster.dataDir}/busybox.tar`;
  await Deno.writeFile(archive, await busyboxImage());
  await cluster.k3ts("image", "import", archive, "--data-dir", cluster.dataDir);
  const apply = async (...objects: object[]) => {
    const input = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
    const { code, stderr } = await cluster.run([cluster.kubectlPath, "apply", "-f", "-"], { input });
    equal(code, 0, stderr);
  };
  const empty = `${cluster.dataDir}/empty.kubeconfig`;
  await Deno.writeTextFile(empty, "{}");
  /** kubectl with nothing but these options. */
  const bare = (...words: string[]): Promise<Output> =>
    cluster.run([
      cluster.kubectlPath,
      `--kubeconfig=${empty}`,
      `--server=${SERVER}`,
      `--certificate-authority=${cluster.dataDir}/pki/ca.crt`,
      ...words,
    ]);

  await t.step("the token by which the local node joined is gone", async () => {
    const { stderr, code } = await cluster.tryK3ts("token", "list");
    equal(code, 0, stderr);
    match(stderr, /No join token is valid/);
  });

  await t.step("nobody in particular is told that the server lives, and which it is, and nothing else", async () => {
    // A name and a password prove nothing here, and keep kubectl from asking for them.
    const anybody = (...words: string[]) => bare("--username=a", "--password=b", ...words);
    for (const path of ["/healthz", "/livez", "/readyz", "/version"]) {
      const { code, stderr } = await anybody("get", "--raw", path);
      equal(code, 0, stderr);
    }
    for (const path of ["/api", "/apis", "/api/v1/namespaces", "/metrics", "/openid/v1/jwks"]) {
      match((await anybody("get", "--raw", path)).stderr, /\(Forbidden\).*system:anonymous/s);
    }
    match((await bare("get", "pods", "--token=a.b.c")).stderr, /Unauthorized/);
  });

  await eventually(() => cluster.kubectl("get", "serviceaccount", "default"));
  await apply(
    { apiVersion: "v1", kind: "Node", metadata: { name: "n2" } },
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot" } },
    { apiVersion: "v1", kind: "Secret", metadata: { name: "mine" }, stringData: { k: "v" } },
    { apiVersion: "v1", kind: "Secret", metadata: { name: "theirs" }, stringData: { k: "v" } },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: "reads-pods" },
      rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] }],
    },
    {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "RoleBinding",
      metadata: { name: "robot-reads-pods" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "reads-pods" },
      subjects: [{ kind: "ServiceAccount", name: "robot", namespace: "default" }],
    },
    pod("client", "n1", "mine", {
      serviceAccountName: "robot",
      volumes: [{ name: "tools", hostPath: { path: dirname(cluster.kubectlPath) } }],
      containers: [{
        name: "main",
        image: IMAGE,
        command: ["sleep", "3600"],
        envFrom: [{ secretRef: { name: "mine" } }],
        volumeMounts: [{ name: "tools", mountPath: "/tools", readOnly: true }],
      }],
    }),
    // Where there is no agent.
    pod("elsewhere", "n2", "theirs", {}),
  );
  await cluster.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s");
  const kubectlInside = `/tools/${cluster.kubectlPath.split("/").at(-1)}`;

  await t.step("a pod asks the API by its own token, for what its account may", async () => {
    const inside = (...words: string[]) =>
      cluster.run([cluster.kubectlPath, "exec", "client", "--", kubectlInside, ...words]);
    const pods = await inside("get", "pods", "-o", "name");
    equal(pods.stdout, "pod/client\npod/elsewhere\n", pods.stderr);
    match((await inside("get", "secrets")).stderr, /User "system:serviceaccount:default:robot" cannot list/);
    const who = (await inside("auth", "whoami")).stdout;
    match(who, /system:serviceaccount:default:robot/);
    match(who, /authentication\.kubernetes\.io\/node-name\s+\[n1\]/);
    match(who, /authentication\.kubernetes\.io\/pod-name\s+\[client\]/);
  });

  await t.step("a stolen node's certificate opens nothing but what that node has anyway", async () => {
    const node = `--client-certificate=${cluster.dataDir}/node/node.crt`;
    const stolen = (...words: string[]) => bare(node, `--client-key=${cluster.dataDir}/node/node.key`, ...words);
    match((await stolen("auth", "whoami")).stdout, /system:node:n1/);
    equal((await stolen("get", "secret", "mine", "-o", "name")).stdout, "secret/mine\n");
    equal((await stolen("get", "node", "n1", "-o", "name")).stdout, "node/n1\n");
    const forbidden = [
      ["get", "secret", "theirs"],
      ["get", "secrets"],
      ["get", "secrets", "-A"],
      ["get", "secrets", "-n", "kube-system"],
      ["get", "configmap", "kube-root-ca.crt", "-n", "kube-system"],
      ["get", "pod", "elsewhere"],
      ["get", "pods"],
      ["create", "token", "robot"],
      ["create", "token", "default"],
      ["create", "token", "namespace-controller", "-n", "kube-system"],
      ["label", "--overwrite", "node", "n1", "node-role.kubernetes.io/control-plane="],
      ["taint", "node", "n1", "a=b:NoSchedule"],
      ["label", "--overwrite", "node", "n2", "a=b"],
      ["delete", "node", "n1"],
      ["delete", "pod", "elsewhere", "--wait=false"],
      ["delete", "pods", "--all", "--wait=false"],
      ["run", "x", "--image=x"],
      ["exec", "client", "--", "true"],
      ["logs", "client"],
      ["get", "pods", "--as=admin", "--as-group=system:masters"],
      ["get", "pods", "--as=system:node:n2", "--as-group=system:nodes"],
      ["get", "leases", "-A"],
      ["delete", "lease", "n2", "-n", "kube-node-lease"],
      ["create", "clusterrolebinding", "x", "--clusterrole=cluster-admin", "--user=system:node:n1"],
      ["create", "secret", "generic", "x"],
      ["certificate", "approve", "x"],
    ];
    for (const words of forbidden) {
      const { code, stderr } = await stolen(...words);
      notEqual(code, 0, words.join(" "));
      match(stderr, /Forbidden|forbidden|doesn't have a resource type/, `${words.join(" ")}: ${stderr}`);
    }
    const kubeconfig = `${cluster.dataDir}/stolen.kubeconfig`;
    await Deno.writeTextFile(kubeconfig, await stolenKubeconfig(cluster.dataDir));
    for (const words of [["token", "create"], ["token", "list"], ["token", "delete", "0123abcd"]]) {
      const { code, stderr } = await cluster.tryK3ts(...words, "--kubeconfig", kubeconfig);
      notEqual(code, 0);
      match(stderr, /must be allowed to \w+ secrets in kube-system/);
    }
  });

  await t.step("certificates are renewed while everything goes on", async () => {
    const watching = cluster.command([cluster.kubectlPath, "get", "pods", "--watch", "-o", "name"]).spawn();
    const seen = new Response(watching.stdout).text();
    const files = ["node/node.crt", "pki/server.crt", "admin.kubeconfig"].map((file) => `${cluster.dataDir}/${file}`);
    const read = () => Promise.all(files.map((file) => Deno.readTextFile(file)));
    let before = await read();
    for (let round = 0; round < 2; round++) {
      await eventually(async () => {
        // Never refused meanwhile.
        await cluster.kubectl("get", "node", "n1");
        const now = await read();
        ok(now.every((text, index) => text !== before[index]), "all are renewed");
      }, 60);
      before = await read();
    }
    match(await cluster.kubectl("get", "node", "n1"), /\bReady\b/);
    const log = await Deno.readTextFile(`${cluster.dataDir}/logs/agent.log`);
    match(log, /The node's certificate is renewed/);
    equal(/level=(?:warn|error) .*(?:watch|follow|renew|lease|status)/.exec(log)?.[0], undefined);
    // What was begun by the first certificate goes on.
    await cluster.kubectl("label", "pod", "client", "renewed=yes");
    watching.kill("SIGINT");
    await watching.status;
    equal((await seen).split("\n").filter((line) => line === "pod/client").length >= 2, true);
    await watching.stderr.cancel();
  });

  await t.step("a token ends with the pod that it is bound to, at once", async () => {
    const token = (await cluster.kubectl("exec", "client", "--", "cat", TOKEN_FILE)).trim();
    const ask = () => bare(`--token=${token}`, "get", "pods", "-o", "name");
    equal((await ask()).code, 0);
    const bound = await cluster.kubectl(
      ...["create", "token", "robot", "--bound-object-kind=Pod", "--bound-object-name=client"],
    );
    equal((await bare(`--token=${bound.trim()}`, "get", "pods", "-o", "name")).code, 0);
    await cluster.kubectl("delete", "pod", "client", "--now");
    match((await ask()).stderr, /Unauthorized/);
    match((await bare(`--token=${bound.trim()}`, "get", "pods")).stderr, /Unauthorized/);
    const { stderr } = await bare(
      `--client-certificate=${cluster.dataDir}/node/node.crt`,
      `--client-key=${cluster.dataDir}/node/node.key`,
      ...["get", "secret", "mine"],
    );
    match(stderr, /no relationship found between node 'n1' and this object/);
  });
});

const TOKEN_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token";

function pod(name: string, nodeName: string, secret: string, spec: Record<string, unknown>): object {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      nodeName,
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "main", image: IMAGE, envFrom: [{ secretRef: { name: secret } }] }],
      ...spec,
    },
  };
}

async function stolenKubeconfig(dataDir: string): Promise<string> {
  const data = async (path: string) => btoa(await Deno.readTextFile(`${dataDir}/${path}`));
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "c", cluster: { server: SERVER, "certificate-authority-data": await data("node/ca.crt") } }],
    users: [{
      name: "u",
      user: {
        "client-certificate-data": await data("node/node.crt"),
        "client-key-data": await data("node/node.key"),
      },
    }],
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    "current-context": "x",
  });
}
