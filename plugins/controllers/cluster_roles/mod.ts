/** Shows in a cluster role that aggregates what it has taken over. */
import { type ClusterRole, resources } from "@k3ts/model/objects";
import { type Controller, controller, REST, update } from "../../sdk/mod.ts";
import { aggregate, takesOver } from "./plan.ts";

export default controller<ClusterRole, { parts: readonly ClusterRole[] }>({
  name: "clusterrole-aggregation",
  for: resources.clusterroles,
  maps: {
    parts: {
      resource: resources.clusterroles,
      find: (role, all) => all.list().filter((other) => takesOver(role, other)),
      // Of a role whose labels have changed nobody knows any more who took it over.
      wakes: (_part, roles) => roles.list().filter(({ aggregationRule }) => aggregationRule !== undefined),
    },
  },
  when: ({ aggregationRule }) => aggregationRule !== undefined,
  plan: ({ object, parts }) => {
    const rules = aggregate(object, parts);
    return rules === undefined ? REST : { actions: [update(resources.clusterroles, object, { rules })] };
  },
}) satisfies Controller;
