import type { RoleBinding } from "../types/mod.ts";
import { defineKind } from "./define.ts";
import {
  BINDING_COLUMNS,
  bindingRow,
  defaultBinding,
  rbacName,
  validateBinding,
  validateBindingChange,
} from "./rbac.ts";

export const roleBinding = defineKind<RoleBinding>({
  resource: "rolebindings.rbac.authorization.k8s.io",
  type: "rbac.authorization.k8s.io/v1.RoleBinding",
  namespaced: true,
  nameProblems: rbacName,
  allowsCreateOnUpdate: true,
  defaults: defaultBinding,
  validate: (binding) => validateBinding(binding, ["Role", "ClusterRole"], true),
  validateChange: validateBindingChange,
  columns: BINDING_COLUMNS,
  row: bindingRow,
});
