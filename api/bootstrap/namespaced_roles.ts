/**
 * The roles and bindings that every cluster has in single namespaces: those of Kubernetes 1.35's bootstrap policy.
 * Rules are written as in `role_table.ts`.
 */
import type { BootstrapRole, BootstrapSubjects } from "./role_table.ts";

/** By `namespace/name`. */
export const NAMESPACED_ROLES: Record<string, BootstrapRole> = {
  "kube-public/system:controller:bootstrap-signer": {
    rules: [
      "get,list,watch in core: configmaps",
      "update in core: configmaps named cluster-info",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "kube-system/extension-apiserver-authentication-reader": {
    rules: [
      "get,list,watch in core: configmaps named extension-apiserver-authentication",
    ],
  },
  "kube-system/system::leader-locking-kube-controller-manager": {
    rules: [
      "create,get,list,update,watch in coordination.k8s.io: leases",
      "create,get,list,update,watch in coordination.k8s.io: leasecandidates",
    ],
  },
  "kube-system/system::leader-locking-kube-scheduler": {
    rules: [
      "create,get,list,update,watch in coordination.k8s.io: leases",
      "create,get,list,update,watch in coordination.k8s.io: leasecandidates",
    ],
  },
  "kube-system/system:controller:bootstrap-signer": {
    rules: [
      "get,list,watch in core: secrets",
    ],
  },
  "kube-system/system:controller:cloud-provider": {
    rules: [
      "create,get,list,watch in core: configmaps",
    ],
  },
  "kube-system/system:controller:token-cleaner": {
    rules: [
      "delete,get,list,watch in core: secrets",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
};

/** By `namespace/name`. */
export const NAMESPACED_BINDINGS: Record<string, BootstrapSubjects & { role: string }> = {
  "kube-public/system:controller:bootstrap-signer": {
    role: "system:controller:bootstrap-signer",
    accounts: ["kube-system/bootstrap-signer"],
  },
  "kube-system/system::extension-apiserver-authentication-reader": {
    role: "extension-apiserver-authentication-reader",
    users: ["system:kube-controller-manager", "system:kube-scheduler"],
  },
  "kube-system/system::leader-locking-kube-controller-manager": {
    role: "system::leader-locking-kube-controller-manager",
    users: ["system:kube-controller-manager"],
    accounts: ["kube-system/kube-controller-manager", "kube-system/leader-election-controller"],
  },
  "kube-system/system::leader-locking-kube-scheduler": {
    role: "system::leader-locking-kube-scheduler",
    users: ["system:kube-scheduler"],
    accounts: ["kube-system/kube-scheduler"],
  },
  "kube-system/system:controller:bootstrap-signer": {
    role: "system:controller:bootstrap-signer",
    accounts: ["kube-system/bootstrap-signer"],
  },
  "kube-system/system:controller:cloud-provider": {
    role: "system:controller:cloud-provider",
    accounts: ["kube-system/cloud-provider"],
  },
  "kube-system/system:controller:token-cleaner": {
    role: "system:controller:token-cleaner",
    accounts: ["kube-system/token-cleaner"],
  },
};
