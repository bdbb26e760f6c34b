import { type Kind, resourceFacts } from "@k3ts/model";
import { defaultKind } from "../model/kinds/default_kind.ts";
import { clusterRole } from "../model/kinds/cluster_role.ts";
import { clusterRoleBinding } from "../model/kinds/cluster_role_binding.ts";
import { configMap } from "../model/kinds/config_map.ts";
import { endpointSlice } from "../model/kinds/endpoint_slice.ts";
import { endpoints } from "../model/kinds/endpoints.ts";
import { event } from "../model/kinds/event.ts";
import { lease } from "../model/kinds/lease.ts";
import { namespace } from "../model/kinds/namespace.ts";
import { node } from "../model/kinds/node.ts";
import { role } from "../model/kinds/role.ts";
import { roleBinding } from "../model/kinds/role_binding.ts";
import { secret } from "../model/kinds/secret.ts";
import { service } from "../model/kinds/service.ts";
import { serviceAccount } from "../model/kinds/service_account.ts";
const all = [
  clusterRole,
  clusterRoleBinding,
  configMap,
  endpointSlice,
  endpoints,
  event,
  lease,
  namespace,
  node,
  role,
  roleBinding,
  secret,
  service,
  serviceAccount,
] as unknown as Kind[];
export const kindOf = (name: string): Kind => {
  const [r, ...g] = name.split(".");
  return all.find((k) => k.resource === name) ?? defaultKind(resourceFacts(g.join("."), r!)!);
};
