/** Kubernetes's own control plane as a peer. */
import { equal, match, rejects } from "node:assert/strict";
import { ensurePeer } from "@k3ts/tools/peers";
import { type Kube, startKube } from "@k3ts/tools/peers/kube";
import { output } from "@k3ts/tools/run";

for (const store of ["etcd", "kine"] as const) {
  Deno.test(`kube-apiserver with ${store} starts, keeps what it was given over a stop, and leaves no process`, () =>
    inFolder(async (dataDir) => {
      const first = await once({ store, dataDir }, (kubectl) => kubectl("create", "configmap", "kept"));
      await once({ store, dataDir }, async (kubectl) => {
        match(await kubectl("get", "configmap", "kept", "-o", "name"), /^configmap\/kept$/);
        match(await kubectl("auth", "whoami"), /system:masters/);
      });
      equal((await Deno.stat(`${dataDir}/pki/admin.key`)).mode! & 0o777, 0o600);
      for (const pid of Object.values(first.pids)) {
        equal(await Deno.stat(`/proc/${pid}`).then(() => true, () => false), false);
      }
    }));
}

Deno.test("a control plane that does not start is told with the end of its log, and nothing stays behind", () =>
  inFolder(async (dataDir) => {
    const starting = startKube({ store: "etcd", dataDir, apiServerArgs: ["--no-such-flag"] });
    await rejects(
      starting,
      /^Error: Cannot start kube-apiserver as it must get ready: it ended with exit 1\n[^]*no-such-flag/,
    );
    const { store } = JSON.parse(await Deno.readTextFile(`${dataDir}/ports.json`)) as { store: number };
    await rejects(Deno.connect({ hostname: "127.0.0.1", port: store }), Deno.errors.ConnectionRefused);
  }));

async function once(
  options: { store: "etcd" | "kine"; dataDir: string },
  work: (kubectl: (...args: string[]) => Promise<string>) => Promise<unknown>,
): Promise<Kube> {
  await using kube = await startKube({ ...options, startMsMax: 180_000 });
  const program = await ensurePeer("kubectl-1.35");
  await work((...args) => output([program, "--kubeconfig", kube.kubeconfig, ...args]));
  return kube;
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "k3ts-kube-" });
  try {
    await work(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
