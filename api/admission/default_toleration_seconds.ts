/** A pod bears a node that is not ready, or not reachable, for five minutes, unless it says something else. */
import type { ApiObject } from "@k3ts/model";
import { type AdmissionPlugin, concerns } from "./admission.ts";

const SECONDS = 300;
const TAINTS = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

interface Toleration {
  key?: string;
  operator?: string;
  effect?: string;
  tolerationSeconds?: number;
}

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: "DefaultTolerationSeconds",
  mutate(request) {
    const isWritten = request.operation === "CREATE" || request.operation === "UPDATE";
    if (!isWritten || !concerns(request, "", "pods")) return;
    const { spec } = request.object as ApiObject & { spec?: { tolerations?: Toleration[] } };
    if (spec === undefined) return;
    const present = spec.tolerations ?? [];
    const missing = TAINTS.filter((taint) => !present.some((toleration) => bears(toleration, taint)));
    if (missing.length === 0) return;
    spec.tolerations = [
      ...present,
      ...missing.map((key) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: SECONDS })),
    ];
  },
};

function bears({ key, effect }: Toleration, taint: string): boolean {
  return (key === taint || !key) && (effect === "NoExecute" || !effect);
}
