/** How long an object lives on after it was told to go: pods alone have time to stop. Pure. */
import type { ApiObject } from "@k3ts/model";
import type { ServedResource } from "../resources.ts";

const POD_GRACE_SECONDS = 30;
/** About thirty years: what is longer would end in a year that no clock shows. */
const GRACE_SECONDS_MAX = 1_000_000_000;

interface PodData extends ApiObject {
  spec?: { nodeName?: string; terminationGracePeriodSeconds?: number };
  status?: { phase?: string };
}

/** @returns seconds; 0 when nothing needs time to stop */
export function graceOf(resource: ServedResource, object: ApiObject, asked: number | undefined): number {
  if (resource.group !== "" || resource.resource !== "pods") return 0;
  const { spec, status } = object as PodData;
  const wanted = asked ?? spec?.terminationGracePeriodSeconds ?? POD_GRACE_SECONDS;
  // No node has it, or nothing of it runs.
  if (!spec?.nodeName || status?.phase === "Failed" || status?.phase === "Succeeded") return 0;
  // Less than none is as little as can be told apart from "at once".
  return wanted < 0 ? 1 : Math.min(wanted, GRACE_SECONDS_MAX);
}
