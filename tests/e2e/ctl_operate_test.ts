/** The commands of `k3ts` for those who run a cluster: nodes, access, kubeconfigs. */
import { deepEqual as assertEquals, equal, match, ok as assert } from "node:assert/strict";
import { eventually, TestCluster } from "./cluster.ts";
import { commandsOf } from "./commands.ts";

const IMAGE = "busybox:1.37";

function workload(kind: "Deployment" | "DaemonSet", name: string, volumes: object[] = []) {
  const labels = { app: name };
  const container = { name: "c", image: IMAGE, command: ["sleep", "3600"] };
  const spec = { terminationGracePeriodSeconds: 0, containers: [container], volumes };
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
}

Deno.test("k3ts: cordon, drain, auth, kubeconfig and config", async (t) => {
  await using cluster = await TestCluster.start("--demo");
  await cluster.says("Hello from k3ts");
  const { k3ts, fails, apply } = commandsOf(cluster);

  await t.step("cordon and uncordon keep new pods away and let them come", async () => {
    equal(await k3ts("cordon", "n1"), "node/n1 cordoned\n");
    equal(await k3ts("cordon", "node/n1"), "node/n1 already cordoned\n");
    match(await k3ts("get", "nodes"), /n1 +Ready,SchedulingDisabled/);
    equal(await k3ts("uncordon", "n1", "--dry-run=client"), "node/n1 uncordoned (dry run)\n");
    equal(await k3ts("uncordon", "-l", "kubernetes.io/hostname=n1"), "node/n1 uncordoned\n");
    await fails(["cordon", "n2"], 1, /nodes "n2" not found/);
    await fails(["cordon"], 1, /either named or selected/);
  });

  await t.step("drain refuses what would be lost, and says by which option it goes", async () => {
    await apply(workload("DaemonSet", "daemon"));
    await apply(workload("Deployment", "storing", [{ name: "v", emptyDir: {} }]));
    await k3ts("run", "bare", "--image", IMAGE, "--", "sleep", "3600");
    for (const name of ["ds/daemon", "deploy/storing"]) await k3ts("rollout", "status", name, "--timeout=60s");
    await k3ts("wait", "pod/bare", "--for=condition=Ready", "--timeout=60s");
    const refused = await cluster.tryK3ts("drain", "n1");
    equal(refused.code, 1);
    for (
      const line of [
        /DaemonSet-managed Pods \(use --ignore-daemonsets to ignore\): default\/daemon-/,
        /local storage \(use --delete-emptydir-data to override\): default\/storing-/,
        /no controller \(use --force to override\): default\/bare/,
        /It stays cordoned/,
      ]
    ) match(refused.stderr, line);
    match(await k3ts("get", "pods"), /bare +1\/1/);
  });

  await t.step("drain waits for a disruption budget, and evicts when it allows", async () => {
    // Nothing takes its place while the node is cordoned: so the budget cannot be kept.
    await k3ts("scale", "deploy/hello", "--replicas=1");
    await eventually(async () =>
      equal(JSON.parse(await k3ts("get", "deploy/hello", "-o", "json")).status.readyReplicas, 1)
    );
    const spec = { minAvailable: 1, selector: { matchLabels: { app: "hello" } } };
    await apply({ apiVersion: "policy/v1", kind: "PodDisruptionBudget", metadata: { name: "hello" }, spec });
    await k3ts("wait", "pdb/hello", "--for=jsonpath={.status.currentHealthy}=1", "--timeout=30s");
    const options = ["--ignore-daemonsets", "--delete-emptydir-data", "--force", "--grace-period=1"];
    const blocked = await cluster.tryK3ts("drain", "n1", ...options, "--pod-selector=app=hello", "--timeout=3s");
    equal(blocked.code, 1);
    match(blocked.stderr, /default\/hello-\S+ stays for now, and is tried again in 5 s: .*budget/);
    match(blocked.stderr, /node\/n1 is not drained after 3s/);
    match(await k3ts("get", "pods", "-l", "app=hello"), /1\/1/);
    const drained = cluster.tryK3ts("drain", "n1", ...options, "--timeout=120s");
    await k3ts("delete", "pdb", "hello");
    const { code, stdout, stderr } = await drained;
    equal(code, 0, stderr);
    match(stderr, /Warning: ignoring DaemonSet-managed Pods: default\/daemon-/);
    match(stdout, /evicting pod default\/bare\n[\s\S]*pod\/bare evicted\n[\s\S]*node\/n1 drained\n$/);
    const left = (await k3ts("get", "pods", "--field-selector=spec.nodeName=n1", "-o", "name")).trim().split("\n");
    assert(left.every((name) => name.startsWith("pod/daemon-")), left.join());
    await k3ts("uncordon", "n1");
    await k3ts("rollout", "status", "deploy/hello", "--timeout=60s");
  });

  await t.step("auth says who I am and what I may do, also as somebody else", async () => {
    match(
      await k3ts("auth", "whoami"),
      /^ATTRIBUTE +VALUE\nUsername +admin\nGroups +\[system:masters system:authenticated\]\n$/,
    );
    match(
      await k3ts("auth", "whoami", "--as=jane", "--as-group=a", "--as-group=b"),
      /Username +jane\nGroups +\[a b system:authenticated\]/,
    );
    equal(await k3ts("auth", "can-i", "create", "pods"), "yes\n");
    const no = await cluster.tryK3ts("auth", "can-i", "create", "pods", "--as=jane");
    assertEquals([no.code, no.stdout], [1, "no\n"]);
    assertEquals((await cluster.tryK3ts("auth", "can-i", "get", "/metrics", "--as=jane", "-q")).stdout, "");
    await k3ts("create", "role", "reader", "--verb=get,list", "--resource=pods,pods/log");
    await k3ts("create", "rolebinding", "jane", "--role=reader", "--user=jane");
    equal(await k3ts("auth", "can-i", "get", "pods", "--subresource=log", "--as=jane"), "yes\n");
    equal((await cluster.tryK3ts("auth", "can-i", "get", "pods", "-A", "--as=jane")).code, 1);
    match(
      await k3ts("auth", "can-i", "--list", "--as=jane"),
      /\npods +\[\] +\[\] +\[get list\]\npods\/log +\[\] +\[\] +\[get list\]\n/,
    );
    equal(await k3ts("get", "pods", "--as=jane", "-o", "name", "-l", "app=none"), "");
    await fails(["get", "secrets", "--as=jane"], 1, /User "jane" cannot list resource "secrets"/);
    await fails(["get", "pods", "--as-group=a"], 1, /--as-group and --as-uid need --as/);
  });

  await t.step("kubeconfig makes one that kubectl takes, for me and for a service account", async () => {
    const mine = `${cluster.dataDir}/mine.kubeconfig`;
    match(await k3ts("kubeconfig", "-o", mine), /^Wrote .*mine\.kubeconfig/);
    equal((await Deno.stat(mine)).mode! & 0o777, 0o600);
    match(await cluster.kubectl("--kubeconfig", mine, "get", "nodes"), /n1 +Ready/);
    await k3ts("create", "sa", "robot");
    const made = await cluster.tryK3ts(
      "kubeconfig",
      "--service-account=robot",
      "--duration=10m",
      "--merge",
      mine,
      "--name=r",
    );
    assertEquals([made.code, made.stderr.startsWith("Its token is valid until ")], [0, true]);
    match(
      await cluster.kubectl("--kubeconfig", mine, "--context=r-robot", "auth", "whoami"),
      /system:serviceaccount:default:robot/,
    );
    await fails(["kubeconfig", "--service-account=nobody"], 1, /"nobody" not found/);
    await fails(["kubeconfig", "--server=http://x"], 1, /--server must be a URL such as https/);

    const config = (...words: string[]) => k3ts("config", ...words, "--kubeconfig", mine);
    equal(await config("current-context"), "k3ts\n");
    match(
      await config("get-contexts"),
      /^CURRENT +NAME +CLUSTER +AUTHINFO +NAMESPACE\n\* +k3ts +k3ts +k3ts\n +r-robot +r +r-robot\n$/,
    );
    equal(await config("use-context", "r-robot"), 'Switched to context "r-robot".\n');
    await fails(["get", "pods", "--kubeconfig", mine], 1, /User "system:serviceaccount:default:robot" cannot list/);
    await fails(
      ["config", "use-context", "k3st", "--kubeconfig", mine],
      1,
      /no context "k3st" .*: did you mean "k3ts"\?/,
    );
    await config("use-context", "k3ts");
    equal(await config("set-context", "--current", "-n", "kube-system"), 'Context "k3ts" modified.\n');
    match(await k3ts("get", "cm", "--kubeconfig", mine), /kube-root-ca\.crt/);
    const view = await config("view");
    assert(!view.includes("eyJ") && view.includes("REDACTED"), view);
    await config("rename-context", "r-robot", "robot");
    equal(await config("delete-context", "robot"), `deleted context robot from ${mine}\n`);
    match(await cluster.kubectl("--kubeconfig", mine, "get", "cm"), /kube-root-ca\.crt/);
  });
});
