/** Kubernetes's own control plane, in a network of its own. */
import { type Kube, startKube } from "@k3ts/tools/peers/kube";
import { type ControlPlane, freshMachine } from "./control_plane.ts";
import { OWN_SESSION } from "./program.ts";

export interface KubePlaneOptions {
  store: "etcd" | "kine";
  /** Also kube-controller-manager and kube-scheduler. @default false */
  controllers?: boolean;
  say: (line: string) => void;
}

export async function kubeControlPlane({ store, controllers = false, say }: KubePlaneOptions): Promise<ControlPlane> {
  const machine = await freshMachine("kube");
  machine.kubeconfig = `${machine.dataDir}/kubeconfig`;
  let running: Kube | undefined;
  const stop = async () => {
    await running?.[Symbol.asyncDispose]();
    running = undefined;
  };
  return {
    name: `kube-apiserver + ${store}`,
    machine,
    start: async () => {
      const enter = ["nsenter", `--net=/run/netns/${machine.namespace}`, ...OWN_SESSION];
      running = await startKube({ store, controllers, dataDir: machine.dataDir, enter, say, startMsMax: 300_000 });
    },
    stop,
    pids: () => {
      if (running === undefined) throw new Error(`kube-apiserver with ${store} does not run`);
      return Promise.resolve({ ...running.pids });
    },
    async [Symbol.asyncDispose]() {
      try {
        await stop();
      } finally {
        await machine[Symbol.asyncDispose]();
      }
    },
  };
}
