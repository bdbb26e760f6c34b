import type { ClusterRoleBinding } from "../types/mod.ts";
import { defineKind } from "./define.ts";
import {
  BINDING_COLUMNS,
  bindingRow,
  defaultBinding,
  rbacName,
  validateBinding,
  validateBindingChange,
} from "./rbac.ts";

export const clusterRoleBinding = defineKind<ClusterRoleBinding>({
  resource: "clusterrolebindings.rbac.authorization.k8s.io",
  type: "rbac.authorization.k8s.io/v1.ClusterRoleBinding",
  namespaced: false,
  nameProblems: rbacName,
  allowsCreateOnUpdate: true,
  defaults: defaultBinding,
  validate: (binding) => validateBinding(binding, ["ClusterRole"], false),
  validateChange: validateBindingChange,
  columns: BINDING_COLUMNS,
  row: bindingRow,
});
