/** Roles and bindings give away no more than their writer holds. */
import { refuseEscalatingBinding, refuseEscalatingRole } from "../auth/escalation.ts";
import type { Access } from "../auth/access.ts";
import { type BindingData, RBAC_GROUP, type RoleData } from "../auth/rbac.ts";
import type { AdmissionPlugin } from "./admission.ts";

export function roleEscalation(access: Access): AdmissionPlugin {
  return {
    name: "RoleEscalation",
    validate({ operation, resource, user, object, old }) {
      if (resource.group !== RBAC_GROUP || (operation !== "CREATE" && operation !== "UPDATE")) return;
      const name = resource.resource;
      if (name === "roles" || name === "clusterroles") {
        refuseEscalatingRole(access, user, name, object as RoleData, old as RoleData | undefined);
      } else if (name === "rolebindings" || name === "clusterrolebindings") {
        refuseEscalatingBinding(access, user, name, object as BindingData, old as BindingData | undefined);
      }
    },
  };
}
