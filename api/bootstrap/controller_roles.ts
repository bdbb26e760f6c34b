/**
 * The cluster roles of the controllers: those of Kubernetes 1.35's bootstrap policy. `system:controller:x` is bound to
 * the service account `kube-system/x`. Rules are written as in `role_table.ts`.
 */
import type { BootstrapRole } from "./role_table.ts";

export const CONTROLLER_ROLES: Record<string, BootstrapRole> = {
  "system:controller:attachdetach-controller": {
    rules: [
      "list,watch in core: persistentvolumeclaims,persistentvolumes",
      "get,list,watch in core: nodes",
      "patch,update in core: nodes/status",
      "list,watch in core: pods",
      "create,patch,update in core,events.k8s.io: events",
      "create,delete,get,list,watch in storage.k8s.io: volumeattachments",
      "get,list,watch in storage.k8s.io: csidrivers",
      "get,list,watch in storage.k8s.io: csinodes",
    ],
  },
  "system:controller:certificate-controller": {
    rules: [
      "delete,get,list,watch in certificates.k8s.io: certificatesigningrequests",
      "update in certificates.k8s.io: certificatesigningrequests/approval,certificatesigningrequests/status",
      "approve in certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client-kubelet",
      "sign in certificates.k8s.io: signers named kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown",
      "create in authorization.k8s.io: subjectaccessreviews",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:clusterrole-aggregation-controller": {
    rules: [
      "escalate,get,list,patch,update,watch in rbac.authorization.k8s.io: clusterroles",
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
  "system:controller:endpoint-controller": {
    rules: [
      "get,list,watch in core: pods,services",
      "create,delete,get,list,update,watch in core: endpoints",
      "create in core: endpoints/restricted",
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
  "system:controller:endpointslicemirroring-controller": {
    rules: [
      "get,list,watch in core: endpoints,services",
      "update in core: services/finalizers",
      "update in core: endpoints/finalizers",
      "create,delete,get,list,update,watch in discovery.k8s.io: endpointslices",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:ephemeral-volume-controller": {
    rules: [
      "get,list,watch in core: pods",
      "update in core: pods/finalizers",
      "create,get,list,watch in core: persistentvolumeclaims",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:expand-controller": {
    rules: [
      "get,list,patch,update,watch in core: persistentvolumes",
      "patch,update in core: persistentvolumeclaims/status",
      "get,list,watch in core: persistentvolumeclaims",
      "create,patch,update in core,events.k8s.io: events",
      "get in core: services",
    ],
  },
  "system:controller:generic-garbage-collector": {
    rules: [
      "delete,get,list,patch,update,watch in *: *",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:horizontal-pod-autoscaler": {
    rules: [
      "get,list,watch in autoscaling: horizontalpodautoscalers",
      "update in autoscaling: horizontalpodautoscalers/status",
      "get,update in *: */scale",
      "list,watch in core: pods",
      "list,watch in metrics.k8s.io: pods",
      "get,list,watch in custom.metrics.k8s.io: *",
      "get,list,watch in external.metrics.k8s.io: *",
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
  "system:controller:legacy-service-account-token-cleaner": {
    rules: [
      "get in core: configmaps named kube-apiserver-legacy-service-account-token-tracking",
      "delete,patch in core: secrets",
    ],
  },
  "system:controller:namespace-controller": {
    rules: [
      "delete,get,list,watch in core: namespaces",
      "update in core: namespaces/finalize,namespaces/status",
      "delete,deletecollection,get,list,watch in *: *",
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
  "system:controller:persistent-volume-binder": {
    rules: [
      "create,delete,get,list,update,watch in core: persistentvolumes",
      "update in core: persistentvolumes/status",
      "get,list,update,watch in core: persistentvolumeclaims",
      "update in core: persistentvolumeclaims/status",
      "create,delete,get,list,watch in core: pods",
      "get,list,watch in storage.k8s.io: storageclasses",
      "list,watch in core: nodes",
      "create,patch,update in core,events.k8s.io: events",
      "watch in core: events",
      "get in core: services",
    ],
  },
  "system:controller:pod-garbage-collector": {
    rules: [
      "delete,list,watch in core: pods",
      "get,list,watch in core: nodes",
      "patch in core: pods/status",
    ],
  },
  "system:controller:pv-protection-controller": {
    rules: [
      "get,list,update,watch in core: persistentvolumes",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:pvc-protection-controller": {
    rules: [
      "get,list,update,watch in core: persistentvolumeclaims",
      "get,list,watch in core: pods",
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
  "system:controller:replication-controller": {
    rules: [
      "get,list,update,watch in core: replicationcontrollers",
      "update in core: replicationcontrollers/status",
      "update in core: replicationcontrollers/finalizers",
      "create,delete,list,patch,watch in core: pods",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:resource-claim-controller": {
    rules: [
      "get,list,watch in core: pods",
      "update in core: pods/finalizers",
      "create,delete,get,list,watch in resource.k8s.io: resourceclaims",
      "patch,update in resource.k8s.io: resourceclaims,resourceclaims/status",
      "patch,update in core: pods/status",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:resourcequota-controller": {
    rules: [
      "list,watch in *: *",
      "update in core: resourcequotas/status",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:root-ca-cert-publisher": {
    rules: [
      "create,update in core: configmaps",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:route-controller": {
    rules: [
      "list,watch in core: nodes",
      "patch in core: nodes/status",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:selinux-warning-controller": {
    rules: [
      "create,patch,update in core,events.k8s.io: events",
      "get,list,watch in core: persistentvolumes",
      "get,list,watch in core: persistentvolumeclaims",
      "get,list,watch in core: pods",
      "get,list,watch in storage.k8s.io: csidrivers",
    ],
  },
  "system:controller:service-account-controller": {
    rules: [
      "create in core: serviceaccounts",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:service-cidrs-controller": {
    rules: [
      "get,list,patch,update,watch in networking.k8s.io: servicecidrs",
      "patch,update in networking.k8s.io: servicecidrs/finalizers",
      "patch,update in networking.k8s.io: servicecidrs/status",
      "get,list,watch in networking.k8s.io: ipaddresses",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:service-controller": {
    rules: [
      "get,list,watch in core: services",
      "patch,update in core: services/status",
      "list,watch in core: nodes",
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
  "system:controller:ttl-after-finished-controller": {
    rules: [
      "delete,get,list,watch in batch: jobs",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:ttl-controller": {
    rules: [
      "list,patch,update,watch in core: nodes",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:validatingadmissionpolicy-status-controller": {
    rules: [
      "get,list,watch in admissionregistration.k8s.io: validatingadmissionpolicies",
      "get,patch,update in admissionregistration.k8s.io: validatingadmissionpolicies/status",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
  "system:controller:volumeattributesclass-protection-controller": {
    rules: [
      "get,list,watch in core: persistentvolumeclaims",
      "get,list,watch in core: persistentvolumes",
      "get,list,update,watch in storage.k8s.io: volumeattributesclasses",
      "create,patch,update in core,events.k8s.io: events",
    ],
  },
};
