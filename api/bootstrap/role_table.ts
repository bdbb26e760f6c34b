/**
 * The cluster roles that every cluster has, with their rules: those of Kubernetes 1.35's bootstrap policy, for what
 * runs here. A rule is written `verbs in groups: resources [named names]`, or `verbs of paths`; `core` is the core group.
 *
 * `system:node` is bound to the group `system:nodes`: every node may then read every Secret, for example. Node
 * authorisation, which would let a node see only what its own pods use, refines it when it exists.
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
  "view": {
    labels: { "rbac.authorization.k8s.io/aggregate-to-edit": "true" },
    aggregates: ["rbac.authorization.k8s.io/aggregate-to-view"],
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
  "system:discovery": {
    rules: [
      "get of /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version,/version/",
    ],
  },
  // As whom the shared informers of the built-in controllers read; what they write they write as themselves.
  "system:kube-controller-manager": {
    rules: [
      "list,watch in *: *",
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
  "system:node-proxier": {
    rules: [
      "list,watch in core: endpoints,services",
      "get,list,watch in core: nodes",
      "create,patch,update in core,events.k8s.io: events",
      "list,watch in networking.k8s.io: servicecidrs",
      "list,watch in discovery.k8s.io: endpointslices",
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
  "system:controller:deployment-controller": {
    rules: [
      "get,list,update,watch in apps,extensions: deployments",
      "update in apps,extensions: deployments/status",
      "update in apps,extensions: deployments/finalizers",
      "create,delete,get,list,patch,update,watch in apps,extensions: replicasets",
      "get,list,update,watch in core: pods",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:replicaset-controller": {
    rules: [
      "get,list,update,watch in apps,extensions: replicasets",
      "update in apps,extensions: replicasets/status",
      "update in apps,extensions: replicasets/finalizers",
      "create,delete,list,patch,watch in core: pods",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:endpointslice-controller": {
    rules: [
      "get,list,watch in core: nodes,pods,services",
      "update in core: services/finalizers",
      "create,delete,get,list,update,watch in discovery.k8s.io: endpointslices",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:endpoint-controller": {
    rules: [
      "get,list,watch in core: pods,services",
      "create,delete,get,list,update,watch in core: endpoints",
      "create in core: endpoints/restricted",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:namespace-controller": {
    rules: [
      "delete,get,list,watch in core: namespaces",
      "update in core: namespaces/finalize,namespaces/status",
      "delete,deletecollection,get,list,watch in *: *",
    ],
  },
  "system:controller:service-account-controller": {
    rules: [
      "create in core: serviceaccounts",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:root-ca-cert-publisher": {
    rules: [
      "create,update in core: configmaps",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:generic-garbage-collector": {
    rules: [
      "delete,get,list,patch,update,watch in *: *",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:job-controller": {
    rules: [
      "get,list,patch,update,watch in batch: jobs",
      "update in batch: jobs/status",
      "update in batch: jobs/finalizers",
      "create,delete,list,patch,watch in core: pods",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:cronjob-controller": {
    rules: [
      "get,list,update,watch in batch: cronjobs",
      "create,delete,get,list,patch,update,watch in batch: jobs",
      "update in batch: cronjobs/status",
      "update in batch: cronjobs/finalizers",
      "delete,list,watch in core: pods",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:daemon-set-controller": {
    rules: [
      "get,list,watch in apps,extensions: daemonsets",
      "update in apps,extensions: daemonsets/status",
      "update in apps,extensions: daemonsets/finalizers",
      "list,watch in core: nodes",
      "create,delete,list,patch,watch in core: pods",
      "create in core: pods/binding",
      "create,delete,get,list,patch,update,watch in apps: controllerrevisions",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:statefulset-controller": {
    rules: [
      "list,watch in core: pods",
      "get,list,watch in apps: statefulsets",
      "update in apps: statefulsets/status",
      "update in apps: statefulsets/finalizers",
      "create,delete,get,patch,update in core: pods",
      "create,delete,get,list,patch,update,watch in apps: controllerrevisions",
      "create,get,list,watch in core: persistentvolumeclaims",
      "delete,update in core: persistentvolumeclaims",
      "update in core: pods/finalizers",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:node-controller": {
    rules: [
      "delete,get,list,patch,update,watch in core: nodes",
      "patch,update in core: nodes/status",
      "patch,update in core: pods/status",
      "delete,get,list,watch in core: pods",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:pod-garbage-collector": {
    rules: [
      "delete,list,watch in core: pods",
      "get,list,watch in core: nodes",
      "patch in core: pods/status",
    ],
  },
  "system:controller:ttl-after-finished-controller": {
    rules: [
      "delete,get,list,watch in batch: jobs",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:disruption-controller": {
    rules: [
      "get,list,watch in apps,extensions: deployments",
      "get,list,watch in apps,extensions: replicasets",
      "get,list,watch in core: replicationcontrollers",
      "get,list,watch in policy: poddisruptionbudgets",
      "get,list,watch in apps: statefulsets",
      "update in policy: poddisruptionbudgets/status",
      "patch,update in core: pods/status",
      "get in *: */scale",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:endpointslicemirroring-controller": {
    rules: [
      "get,list,watch in core: endpoints,services",
      "update in core: services/finalizers",
      "update in core: endpoints/finalizers",
      "create,delete,get,list,update,watch in discovery.k8s.io: endpointslices",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
};

/** Cluster role → whom it is bound to. Each `system:controller:x` is bound to the service account `kube-system/x` too. */
export const BOOTSTRAP_BINDINGS: Record<string, { groups?: string[]; users?: string[] }> = {
  "cluster-admin": { groups: ["system:masters"] },
  "system:basic-user": { groups: ["system:authenticated"] },
  "system:discovery": { groups: ["system:authenticated"] },
  "system:kube-controller-manager": { users: ["system:kube-controller-manager"] },
  "system:kube-scheduler": { users: ["system:kube-scheduler"] },
  "system:monitoring": { groups: ["system:monitoring"] },
  "system:node": { groups: ["system:nodes"] },
  // The agent of a node programs its Services itself.
  "system:node-proxier": { users: ["system:kube-proxy"], groups: ["system:nodes"] },
  "system:public-info-viewer": { groups: ["system:authenticated", "system:unauthenticated"] },
  "system:service-account-issuer-discovery": { groups: ["system:serviceaccounts"] },
};
