/**
 * The cluster roles that every cluster has, with their rules: those of Kubernetes 1.35's bootstrap policy (the
 * controllers' are in `controller_roles.ts`). A rule is written `verbs in groups: resources [named names]`, or
 * `verbs of paths`; `core` is the core group.
 */

export interface BootstrapRole {
  labels?: Record<string, string>;
  /** Labels (of value "true") of the roles whose rules this one takes over. */
  aggregates?: string[];
  rules: string[];
}

export const BOOTSTRAP_ROLES: Record<string, BootstrapRole> = {
  "admin": {
    aggregates: ["rbac.authorization.k8s.io/aggregate-to-admin"],
    rules: [],
  },
  "cluster-admin": {
    rules: [
      "* in *: *",
      "* of *",
    ],
  },
  "edit": {
    labels: { "rbac.authorization.k8s.io/aggregate-to-admin": "true" },
    aggregates: ["rbac.authorization.k8s.io/aggregate-to-edit"],
    rules: [],
  },
  "system:aggregate-to-admin": {
    labels: { "rbac.authorization.k8s.io/aggregate-to-admin": "true" },
    rules: [
      "create in authorization.k8s.io: localsubjectaccessreviews",
      "create,delete,deletecollection,get,list,patch,update,watch in rbac.authorization.k8s.io: rolebindings,roles",
    ],
  },
  "system:aggregate-to-edit": {
    labels: { "rbac.authorization.k8s.io/aggregate-to-edit": "true" },
    rules: [
      "get,list,watch in core: pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy",
      "impersonate in core: serviceaccounts",
      "create,delete,deletecollection,patch,update in core: pods,pods/attach,pods/exec,pods/portforward,pods/proxy",
      "create in core: pods/eviction",
      "create,delete,deletecollection,patch,update in core: configmaps,persistentvolumeclaims,replicationcontrollers,replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy",
      "create in core: serviceaccounts/token",
      "create,delete,deletecollection,patch,update in core,events.k8s.io: events",
      "create,delete,deletecollection,patch,update in apps: daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,replicasets/scale,statefulsets,statefulsets/scale",
      "create,delete,deletecollection,patch,update in autoscaling: horizontalpodautoscalers",
      "create,delete,deletecollection,patch,update in batch: cronjobs,jobs",
      "create,delete,deletecollection,patch,update in extensions: daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale",
      "create,delete,deletecollection,patch,update in policy: poddisruptionbudgets",
      "create,delete,deletecollection,patch,update in networking.k8s.io: ingresses,networkpolicies",
      "create,delete,deletecollection,get,list,patch,update,watch in coordination.k8s.io: leases",
      "create,delete,deletecollection,patch,update in resource.k8s.io: resourceclaims,resourceclaimtemplates",
    ],
  },
  "system:aggregate-to-view": {
    labels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" },
    rules: [
      "get,list,watch in core: configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services,services/status",
      "get,list,watch in core: bindings,limitranges,namespaces/status,pods/log,pods/status,replicationcontrollers/status,resourcequotas,resourcequotas/status",
      "get,list,watch in core: namespaces",
      "get,list,watch in core,events.k8s.io: events",
      "get,list,watch in discovery.k8s.io: endpointslices",
      "get,list,watch in apps: controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,statefulsets/scale,statefulsets/status",
      "get,list,watch in autoscaling: horizontalpodautoscalers,horizontalpodautoscalers/status",
      "get,list,watch in batch: cronjobs,cronjobs/status,jobs,jobs/status",
      "get,list,watch in extensions: daemonsets,daemonsets/status,deployments,deployments/scale,deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,replicasets/scale,replicasets/status,replicationcontrollers/scale",
      "get,list,watch in policy: poddisruptionbudgets,poddisruptionbudgets/status",
      "get,list,watch in networking.k8s.io: ingresses,ingresses/status,networkpolicies",
      "get,list,watch in resource.k8s.io: resourceclaims,resourceclaims/status,resourceclaimtemplates",
    ],
  },
  // As metrics-server brings it along.
  "system:aggregated-metrics-reader": {
    labels: {
      "rbac.authorization.k8s.io/aggregate-to-admin": "true",
      "rbac.authorization.k8s.io/aggregate-to-edit": "true",
      "rbac.authorization.k8s.io/aggregate-to-view": "true",
    },
    rules: [
      "get,list,watch in metrics.k8s.io: nodes,pods",
    ],
  },
  "system:auth-delegator": {
    rules: [
      "create in authentication.k8s.io: tokenreviews",
      "create in authorization.k8s.io: subjectaccessreviews",
    ],
  },
  "system:basic-user": {
    rules: [
      "create in authorization.k8s.io: selfsubjectaccessreviews,selfsubjectrulesreviews",
      "create in authentication.k8s.io: selfsubjectreviews",
    ],
  },
  "system:certificates.k8s.io:certificatesigningrequests:nodeclient": {
    rules: [
      "create in certificates.k8s.io: certificatesigningrequests/nodeclient",
    ],
  },
  "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient": {
    rules: [
      "create in certificates.k8s.io: certificatesigningrequests/selfnodeclient",
    ],
  },
  "system:certificates.k8s.io:kube-apiserver-client-approver": {
    rules: [
      "approve in certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client",
    ],
  },
  "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver": {
    rules: [
      "approve in certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client-kubelet",
    ],
  },
  "system:certificates.k8s.io:kubelet-serving-approver": {
    rules: [
      "approve in certificates.k8s.io: signers named kubernetes.io/kubelet-serving",
    ],
  },
  "system:certificates.k8s.io:legacy-unknown-approver": {
    rules: [
      "approve in certificates.k8s.io: signers named kubernetes.io/legacy-unknown",
    ],
  },
  "system:discovery": {
    rules: [
      "get of /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/",
    ],
  },
  "system:heapster": {
    rules: [
      "get,list,watch in core: events,namespaces,nodes,pods",
      "get,list,watch in extensions: deployments",
    ],
  },
  "system:kube-aggregator": {
    rules: [
      "get,list,watch in core: endpoints,services",
    ],
  },
  "system:kube-controller-manager": {
    rules: [
      "create,patch,update in core,events.k8s.io: events",
      "create in coordination.k8s.io: leases",
      "get,update in coordination.k8s.io: leases named kube-controller-manager",
      "create in core: secrets,serviceaccounts",
      "delete in core: secrets",
      "get in core: configmaps,namespaces,secrets,serviceaccounts",
      "update in core: secrets,serviceaccounts",
      "create in authentication.k8s.io: tokenreviews",
      "create in authorization.k8s.io: subjectaccessreviews",
      "list,watch in *: *",
      "create in core: serviceaccounts/token",
    ],
  },
  "system:kube-dns": {
    rules: [
      "list,watch in core: endpoints,services",
    ],
  },
  "system:kube-scheduler": {
    rules: [
      "create,patch,update in core,events.k8s.io: events",
      "create in coordination.k8s.io: leases",
      "get,list,update,watch in coordination.k8s.io: leases named kube-scheduler",
      "create,delete,deletecollection,get,list,patch,update,watch in coordination.k8s.io: leasecandidates",
      "get,list,watch in core: nodes",
      "delete,get,list,watch in core: pods",
      "create in core: bindings,pods/binding",
      "patch,update in core: pods/status",
      "get,list,watch in core: replicationcontrollers,services",
      "get,list,watch in apps,extensions: replicasets",
      "get,list,watch in apps: statefulsets",
      "get,list,watch in policy: poddisruptionbudgets",
      "get,list,watch in core: persistentvolumeclaims,persistentvolumes",
      "create in authentication.k8s.io: tokenreviews",
      "create in authorization.k8s.io: subjectaccessreviews",
      "get,list,watch in storage.k8s.io: csinodes",
      "get,list,watch in storage.k8s.io: volumeattachments",
      "get,list,watch in core: namespaces",
      "get,list,watch in storage.k8s.io: csidrivers",
      "get,list,watch in storage.k8s.io: csistoragecapacities",
      "get,list,watch in resource.k8s.io: deviceclasses",
      "get,list,patch,update,watch in resource.k8s.io: resourceclaims",
      "get,list,patch,update,watch in resource.k8s.io: resourceclaims/status",
      "update in core: pods/finalizers",
      "get,list,watch in resource.k8s.io: resourceslices",
    ],
  },
  "system:kubelet-api-admin": {
    rules: [
      "get,list,watch in core: nodes",
      "proxy in core: nodes",
      "* in core: nodes/log,nodes/metrics,nodes/proxy,nodes/stats",
      "* in core: nodes/configz,nodes/healthz,nodes/pods",
    ],
  },
  "system:monitoring": {
    rules: [
      "get of /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*",
      "get in core: nodes/metrics",
    ],
  },
  "system:node": {
    rules: [
      "create in authentication.k8s.io: tokenreviews",
      "create in authorization.k8s.io: localsubjectaccessreviews,subjectaccessreviews",
      "get,list,watch in core: services",
      "create,get,list,watch in core: nodes",
      "patch,update in core: nodes/status",
      "patch,update in core: nodes",
      "create,patch,update in core,events.k8s.io: events",
      "get,list,watch in core: pods",
      "create,delete in core: pods",
      "patch,update in core: pods/status",
      "create in core: pods/eviction",
      "get,list,watch in core: configmaps,secrets",
      "get in core: persistentvolumeclaims,persistentvolumes",
      "get in core: endpoints",
      "create,get,list,watch in certificates.k8s.io: certificatesigningrequests",
      "create,delete,get,patch,update in coordination.k8s.io: leases",
      "get in storage.k8s.io: volumeattachments",
      "create in core: serviceaccounts/token",
      "get,patch,update in core: persistentvolumeclaims/status",
      "get,list,watch in storage.k8s.io: csidrivers",
      "create,delete,get,patch,update in storage.k8s.io: csinodes",
      "get,list,watch in node.k8s.io: runtimeclasses",
      "get in resource.k8s.io: resourceclaims",
      "deletecollection in resource.k8s.io: resourceslices",
      "get in core: serviceaccounts",
    ],
  },
  "system:node-bootstrapper": {
    rules: [
      "create,get,list,watch in certificates.k8s.io: certificatesigningrequests",
    ],
  },
  "system:node-problem-detector": {
    rules: [
      "get in core: nodes",
      "patch in core: nodes/status",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:node-proxier": {
    rules: [
      "list,watch in core: endpoints,services",
      "get,list,watch in core: nodes",
      "create,patch,update in core,events.k8s.io: events",
      "list,watch in networking.k8s.io: servicecidrs",
      "list,watch in discovery.k8s.io: endpointslices",
    ],
  },
  "system:persistent-volume-provisioner": {
    rules: [
      "create,delete,get,list,watch in core: persistentvolumes",
      "get,list,update,watch in core: persistentvolumeclaims",
      "get,list,watch in storage.k8s.io: storageclasses",
      "watch in core: events",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:public-info-viewer": {
    rules: [
      "get of /healthz,/livez,/readyz,/version,/version/",
    ],
  },
  "system:service-account-issuer-discovery": {
    rules: [
      "get of /.well-known/openid-configuration,/.well-known/openid-configuration/,/openid/v1/jwks,/openid/v1/jwks/",
    ],
  },
  "system:volume-scheduler": {
    rules: [
      "get,list,patch,update,watch in core: persistentvolumes",
      "get,list,watch in storage.k8s.io: storageclasses",
      "get,list,patch,update,watch in core: persistentvolumeclaims",
    ],
  },
  "view": {
    labels: { "rbac.authorization.k8s.io/aggregate-to-edit": "true" },
    aggregates: ["rbac.authorization.k8s.io/aggregate-to-view"],
    rules: [],
  },
};

export interface BootstrapSubjects {
  groups?: string[];
  users?: string[];
  /** Service accounts: `namespace/name`. */
  accounts?: string[];
}

/** By name; the role that is bound has the same one. */
export const BOOTSTRAP_BINDINGS: Record<string, BootstrapSubjects & { role?: string }> = {
  "cluster-admin": { groups: ["system:masters"] },
  "system:basic-user": { groups: ["system:authenticated"] },
  "system:discovery": { groups: ["system:authenticated"] },
  "system:kube-controller-manager": { users: ["system:kube-controller-manager"] },
  "system:kube-dns": { accounts: ["kube-system/kube-dns"] },
  "system:kube-scheduler": { users: ["system:kube-scheduler"] },
  "system:monitoring": { groups: ["system:monitoring"] },
  "system:node": {},
  "system:node-proxier": { users: ["system:kube-proxy"] },
  "system:public-info-viewer": { groups: ["system:authenticated", "system:unauthenticated"] },
  "system:service-account-issuer-discovery": { groups: ["system:serviceaccounts"] },
  "system:volume-scheduler": { users: ["system:kube-scheduler"] },
};

/** Bindings that Kubernetes has not: a node is what it calls kubelet and kube-proxy in one. */
export const OWN_BINDINGS: Record<string, BootstrapSubjects & { role: string }> = {
  "k3ts:node-proxier": { role: "system:node-proxier", groups: ["system:nodes"] },
};
