/** How long a control plane takes until it serves. */
import type { Input } from "../inside/answers.ts";
import { runInside } from "../workload.ts";
import type { ControlPlane } from "./control_plane.ts";

/** Starts it. @returns milliseconds until it is ready and lists a pod, as a client sees it */
export async function timeToServe(plane: ControlPlane): Promise<number> {
  const answered = runInside<number>(
    plane.machine,
    "answers",
    { kubeconfig: plane.machine.kubeconfig } satisfies Input,
  );
  answered.catch(() => {}); // awaited below
  const begin = Date.now();
  await plane.start();
  return await answered - begin;
}
