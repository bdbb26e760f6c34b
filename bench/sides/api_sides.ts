/** The three sides of everything that is measured through the API. */
import type { Sample, Setting, Sides } from "../core/benchmark.ts";
import { type ControlPlane, k3tsServer, started } from "./control_plane.ts";
import { kubeControlPlane } from "./kube.ts";

export const KUBE = "kube-apiserver + etcd";

/** What both benchmarks and readers must know of them. */
export const API_SIDES =
  "k3ts is what `k3ts server` runs, its scheduler and controllers included, which look after what is made; " +
  "kube-apiserver runs without any. Of etcd and k3ts each write is on the disk when it is answered, of kine (as K3s sets " +
  "SQLite) not. All speak TLS on the loopback of a network of their own, with authorisation on.";

/** @param measure of one of them */
export async function apiSides(
  { peers, say }: Setting,
  measure: (plane: ControlPlane) => Promise<Sample>,
): Promise<Sides> {
  await using stack = new AsyncDisposableStack();
  const start = async (making: Promise<ControlPlane>) => {
    const plane = stack.use(await started(making));
    return { name: plane.name, measure: () => measure(plane) };
  };
  say("starts k3ts");
  const ours = await start(k3tsServer());
  const others = [];
  for (const store of peers ? ["etcd", "kine"] as const : []) {
    say(`starts kube-apiserver with ${store}`);
    others.push(await start(kubeControlPlane({ store, say })));
  }
  const kept = stack.move();
  return { sides: [ours, ...others], [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
