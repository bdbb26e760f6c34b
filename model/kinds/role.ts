import type { Role } from "../types/mod.ts";
import { defineKind } from "./define.ts";
import { rbacName, ROLE_COLUMNS, roleRow, validateRules } from "./rbac.ts";

export const role = defineKind<Role>({
  resource: "roles.rbac.authorization.k8s.io",
  type: "rbac.authorization.k8s.io/v1.Role",
  namespaced: true,
  nameProblems: rbacName,
  allowsCreateOnUpdate: true,
  validate: ({ rules }) => validateRules(rules, true),
  columns: ROLE_COLUMNS,
  row: roleRow,
});
