/** Turns the name of a pod's priority class into its number. */
import type { ApiObject } from "@k3ts/model";
import type { Cache } from "../cache/cache.ts";
import { Projection } from "../cache/projection.ts";
import { forbidden } from "../status.ts";
import { type AdmissionPlugin, concerns } from "./admission.ts";

interface PriorityClassData extends ApiObject {
  value?: number;
  globalDefault?: boolean;
  preemptionPolicy?: string;
}

interface PodData extends ApiObject {
  spec?: { priorityClassName?: string; priority?: number; preemptionPolicy?: string };
}

export function priority(cache: Cache): AdmissionPlugin {
  const classes = new Projection<PriorityClassData>(
    cache.of({ group: "scheduling.k8s.io", resource: "priorityclasses" }),
  );
  return {
    name: "Priority",
    mutate(request) {
      if (request.operation !== "CREATE" || !concerns(request, "", "pods")) return;
      const { spec } = request.object as PodData;
      if (spec === undefined) return;
      const refuse = (why: string) => forbidden(request.resource, request.name, why);
      const named = spec.priorityClassName
        ? classes.get("", spec.priorityClassName)
        : classes.all().find(({ globalDefault }) => globalDefault === true);
      if (spec.priorityClassName && named === undefined) {
        throw refuse(`no PriorityClass with name ${spec.priorityClassName} was found`);
      }
      const value = named?.value ?? 0;
      if (spec.priority !== undefined && spec.priority !== value) {
        throw refuse(
          `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission ` +
            `controller computed ${value} from the given PriorityClass name`,
        );
      }
      spec.priority = value;
      if (named !== undefined) spec.priorityClassName = named.metadata.name;
      spec.preemptionPolicy ??= named?.preemptionPolicy ?? "PreemptLowerPriority";
    },
  };
}
