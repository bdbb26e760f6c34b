import type { ClusterRole } from "../types/mod.ts";
import { defineKind } from "./define.ts";
import { required } from "./field_error.ts";
import { validateLabelSelector } from "./labels.ts";
import { rbacName, ROLE_COLUMNS, roleRow, validateRules } from "./rbac.ts";

export const clusterRole = defineKind<ClusterRole>({
  resource: "clusterroles.rbac.authorization.k8s.io",
  type: "rbac.authorization.k8s.io/v1.ClusterRole",
  namespaced: false,
  nameProblems: rbacName,
  allowsCreateOnUpdate: true,
  validate({ rules, aggregationRule }) {
    const errors = validateRules(rules, false);
    if (aggregationRule === undefined) return errors;
    const path = "aggregationRule.clusterRoleSelectors";
    const selectors = aggregationRule.clusterRoleSelectors ?? [];
    if (selectors.length === 0) {
      errors.push(required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil"));
    }
    selectors.forEach((selector, index) => errors.push(...validateLabelSelector(selector, `${path}[${index}]`)));
    return errors;
  },
  columns: ROLE_COLUMNS,
  row: roleRow,
});
