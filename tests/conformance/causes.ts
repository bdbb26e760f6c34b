/**
 * Why tests cannot pass yet: capabilities that do not exist. One that shows in what the API serves stops being a cause
 * by itself as soon as it is served; the others are taken out of this table by whoever makes them.
 */

export interface Cause {
  capability: string;
  /** `group/resource`: while it is not served, the capability is lacking. */
  served?: string;
  /** Names of tests that are about it. */
  tests?: RegExp;
  /** What tests say that need it on the way to what they are about. */
  messages?: RegExp;
}

export const CAUSES: readonly Cause[] = [
  {
    capability: "Custom resources",
    served: "apiextensions.k8s.io/customresourcedefinitions",
    tests: /CustomResource|custom resource|\bCRDs?\b|\bCR\b/,
    messages: /customresourcedefinition|apiextensions\.k8s\.io/i,
  },
  {
    capability: "Admission webhooks",
    served: "admissionregistration.k8s.io/mutatingwebhookconfigurations",
    tests: /AdmissionWebhook/,
    messages: /webhookconfigurations|admissionregistration\.k8s\.io/,
  },
  {
    capability: "Admission policies",
    served: "admissionregistration.k8s.io/validatingadmissionpolicies",
    tests: /ValidatingAdmissionPolicy|MutatingAdmissionPolicy/,
  },
  {
    capability: "API aggregation",
    served: "apiregistration.k8s.io/apiservices",
    tests: /\] Aggregator Should/,
    messages: /apiservices|apiregistration\.k8s\.io/,
  },
  { capability: "Stateful sets", served: "apps/statefulsets", tests: /StatefulSet|statefulset/ },
  {
    capability: "Replication controllers",
    served: "core/replicationcontrollers",
    tests: /ReplicationController|replication controller|\brc\b|\brcs\b|Update Demo|Kubectl (expose|describe)/,
    messages: /replication ?controller|resource type "rc"/i,
  },
  {
    capability: "Pod templates",
    served: "core/podtemplates",
    tests: /PodTemplate|API chunking/,
    messages: /podtemplate/i,
  },
  {
    capability: "Resource quotas",
    served: "core/resourcequotas",
    tests: /ResourceQuota/,
    messages: /resourcequota|resource quota/i,
  },
  { capability: "Limit ranges", served: "core/limitranges", tests: /LimitRange/, messages: /limitrange/i },
  {
    capability: "Persistent volumes",
    served: "core/persistentvolumes",
    tests: /PersistentVolume|StorageClass|VolumeAttachment|VolumeAttributesClass/,
    messages: /persistentvolume/i,
  },
  { capability: "CSI drivers", served: "storage.k8s.io/csidrivers", tests: /\bCSI|CSINodes/ },
  { capability: "Ingress", served: "networking.k8s.io/ingresses", tests: /\] Ingress API|IngressClass/ },
  {
    capability: "Service address ranges as objects",
    served: "networking.k8s.io/servicecidrs",
    tests: /ServiceCIDR and IPAddress/,
  },
  { capability: "Runtime classes", served: "node.k8s.io/runtimeclasses", tests: /RuntimeClass/ },
  {
    capability: "Certificate signing requests",
    served: "certificates.k8s.io/certificatesigningrequests",
    tests: /Certificates API/,
  },
  {
    capability: "API priority and fairness",
    served: "flowcontrol.apiserver.k8s.io/flowschemas",
    tests: /priority and fairness/,
  },
  { capability: "Devices", served: "resource.k8s.io/resourceclaims", tests: /\[DRA\]/ },
  { capability: "Events of their own group", served: "events.k8s.io/events", tests: /\] Events API / },
  { capability: "Preemption", tests: /SchedulerPreemption .*preempt/ },
  { capability: "Ephemeral containers", served: "core/pods/ephemeralcontainers", tests: /Ephemeral Containers/ },
  { capability: "Resize in place", served: "core/pods/resize", tests: /InPlace Resize/ },
];

/** The table for a cluster: what it serves is no cause. */
export function causesIn(served: readonly string[]): Cause[] {
  return CAUSES.filter((cause) => cause.served === undefined || !served.includes(cause.served));
}

/** Whether the test's name alone says that it is about something that is lacking. */
export function lacks(causes: readonly Cause[], name: string): boolean {
  return causes.some(({ tests }) => tests?.test(name));
}

/** Why a test did not pass, as far as that is something that does not exist. */
export function causeOf(causes: readonly Cause[], name: string, message: string): Cause | undefined {
  return causes.find(({ tests }) => tests?.test(name)) ?? causes.find(({ messages }) => messages?.test(message));
}
