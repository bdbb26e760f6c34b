/** Every resource's rules, by group and resource. A resource without a row here has those of every object. */
import { type ResourceFacts, resourceFacts } from "../facts/mod.ts";
import { clusterRole } from "./cluster_role.ts";
import { clusterRoleBinding } from "./cluster_role_binding.ts";
import { configMap } from "./config_map.ts";
import { controllerRevision } from "./controller_revision.ts";
import { cronJob } from "./cron_job.ts";
import { daemonSet } from "./daemon_set.ts";
import { defaultKind } from "./default_kind.ts";
import { deployment } from "./deployment.ts";
import { endpointSlice } from "./endpoint_slice.ts";
import { endpoints } from "./endpoints.ts";
import { event, eventsEvent } from "./event.ts";
import { job } from "./job.ts";
import type { Kind } from "./kind.ts";
import { lease } from "./lease.ts";
import { namespace } from "./namespace.ts";
import { node } from "./node.ts";
import { pod } from "./pod.ts";
import { podDisruptionBudget } from "./pod_disruption_budget.ts";
import { priorityClass } from "./priority_class.ts";
import { replicaSet } from "./replica_set.ts";
import { role } from "./role.ts";
import { roleBinding } from "./role_binding.ts";
import { secret } from "./secret.ts";
import { service } from "./service.ts";
import { serviceAccount } from "./service_account.ts";

/** The kinds whose rules are written. */
export const kinds: readonly Kind[] = [
  clusterRole,
  clusterRoleBinding,
  configMap,
  controllerRevision,
  cronJob,
  daemonSet,
  deployment,
  endpointSlice,
  endpoints,
  event,
  eventsEvent,
  job,
  lease,
  namespace,
  node,
  pod,
  podDisruptionBudget,
  priorityClass,
  replicaSet,
  role,
  roleBinding,
  secret,
  service,
  serviceAccount,
];

const byResource = new Map<string, Kind>(kinds.map((kind) => [kind.resource, kind]));

/** The rules of a resource: its own, else those that hold of every object. @throws {RangeError} there is no such resource */
export function kindOf(group: string, resource: string): Kind {
  const facts = resourceFacts(group, resource);
  if (facts === undefined) {
    throw new RangeError(
      `Cannot find the rules of ${JSON.stringify(nameOf(group, resource))} as there is no such resource`,
    );
  }
  return kindOfFacts(facts);
}

/** As {@link kindOf}, for resources that are not in the facts: custom ones. */
export function kindOfFacts(facts: Pick<ResourceFacts, "group" | "resource" | "namespaced" | "versions">): Kind {
  const name = nameOf(facts.group, facts.resource);
  let kind = byResource.get(name);
  if (kind === undefined) byResource.set(name, kind = defaultKind(facts));
  return kind;
}

function nameOf(group: string, resource: string): string {
  return group === "" ? resource : `${resource}.${group}`;
}
