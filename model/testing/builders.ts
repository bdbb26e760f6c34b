/**
 * Objects for tests: valid, small, and told apart by what the test says of them.
 *
 * What is not said fits together: a pod belongs to the ReplicaSet that `aReplicaSet()` gives, which belongs to the
 * Deployment that `aDeployment()` gives; all are in namespace `default` and labelled `app: demo`.
 */
import type {
  ConfigMap,
  DaemonSet,
  Deployment,
  Job,
  JobSpec,
  Namespace,
  Node,
  ObjectMeta,
  Pod,
  PodDisruptionBudget,
  PodSpec,
  ReplicaSet,
  Secret,
  Service,
} from "../types/mod.ts";
import { formatTime } from "../time.ts";

const CREATED = "2026-01-01T00:00:00Z";
const LABELS = { app: "demo" };

let made = 0;

interface MetaOptions {
  name?: string;
  namespace?: string;
  uid?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  /** RFC 3339. */
  created?: string;
  /** Marks it as being deleted since then. */
  deleted?: string;
  finalizers?: string[];
  resourceVersion?: string;
}

/** Who manages an object; null for nobody. */
export type Owner = { apiVersion?: string; kind?: string; metadata: { name: string; uid: string } } | null;

function meta(kind: string, options: MetaOptions, namespaced = true): ObjectMeta {
  const name = options.name ?? `${kind}-${++made}`;
  return {
    name,
    ...(namespaced && { namespace: options.namespace ?? "default" }),
    uid: options.uid ?? `uid-of-${kind}-${name}`,
    resourceVersion: options.resourceVersion ?? "1",
    creationTimestamp: options.created ?? CREATED,
    labels: options.labels ?? { ...LABELS },
    ...(options.annotations && { annotations: options.annotations }),
    ...(options.deleted && { deletionTimestamp: options.deleted }),
    ...(options.finalizers && { finalizers: options.finalizers }),
  };
}

function own(metadata: ObjectMeta, owner: Owner, apiVersion: string, kind: string): void {
  if (owner === null) return;
  metadata.ownerReferences = [{
    apiVersion: owner.apiVersion ?? apiVersion,
    kind: owner.kind ?? kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  }];
}

export interface PodOptions extends MetaOptions {
  phase?: "Pending" | "Running" | "Succeeded" | "Failed" | "Unknown";
  /** Sets the condition Ready, and the phase to Running unless it is said. */
  ready?: boolean;
  /** ms since the epoch. */
  readySince?: number;
  node?: string;
  owner?: Owner;
  image?: string;
  ip?: string;
  restarts?: number;
  /** Of its one container. */
  requests?: Record<string, string>;
  spec?: Partial<NonNullable<Pod["spec"]>>;
}

export function aPod(options: PodOptions = {}): Pod {
  const metadata = meta("pod", options);
  own(metadata, options.owner === undefined ? DEFAULT_REPLICASET : options.owner, "apps/v1", "ReplicaSet");
  const phase = options.phase ?? (options.ready === undefined ? "Pending" : "Running");
  const since = formatTime(options.readySince ?? Date.parse(CREATED));
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata,
    spec: {
      containers: [{
        name: "main",
        image: options.image ?? "demo:1",
        ...(options.requests && { resources: { requests: options.requests } }),
      }],
      ...(options.node !== undefined && { nodeName: options.node }),
      ...options.spec,
    },
    status: {
      phase,
      ...(options.ip !== undefined && { podIP: options.ip, podIPs: [{ ip: options.ip }] }),
      ...(options.ready !== undefined && {
        conditions: [{ type: "Ready", status: options.ready ? "True" : "False", lastTransitionTime: since }],
      }),
      ...(options.restarts !== undefined && {
        containerStatuses: [{
          name: "main",
          ready: options.ready ?? false,
          restartCount: options.restarts,
          image: options.image ?? "demo:1",
          imageID: "",
        }],
      }),
    },
  };
}

export interface ReplicaSetOptions extends MetaOptions {
  replicas?: number;
  minReadySeconds?: number;
  selector?: Record<string, string>;
  owner?: Owner;
  image?: string;
  status?: ReplicaSet["status"];
}

const DEFAULT_REPLICASET = { metadata: { name: "demo-set", uid: "uid-of-replicaset-demo-set" } };
const DEFAULT_DEPLOYMENT = { metadata: { name: "demo", uid: "uid-of-deployment-demo" } };

export function aReplicaSet(options: ReplicaSetOptions = {}): ReplicaSet {
  const metadata = meta("replicaset", { name: "demo-set", ...options });
  own(metadata, options.owner === undefined ? DEFAULT_DEPLOYMENT : options.owner, "apps/v1", "Deployment");
  const selector = options.selector ?? LABELS;
  return {
    apiVersion: "apps/v1",
    kind: "ReplicaSet",
    metadata,
    spec: {
      replicas: options.replicas ?? 1,
      ...(options.minReadySeconds !== undefined && { minReadySeconds: options.minReadySeconds }),
      selector: { matchLabels: { ...selector } },
      template: aTemplate(selector, options.image),
    },
    status: options.status ?? { replicas: 0 },
  };
}

export interface DeploymentOptions extends MetaOptions {
  replicas?: number;
  image?: string;
  selector?: Record<string, string>;
  spec?: Partial<NonNullable<Deployment["spec"]>>;
  status?: Deployment["status"];
}

export function aDeployment(options: DeploymentOptions = {}): Deployment {
  const selector = options.selector ?? LABELS;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { ...meta("deployment", { name: "demo", ...options }), generation: 1 },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: { ...selector } },
      template: aTemplate(selector, options.image),
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: "25%" } },
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      ...options.spec,
    },
    status: options.status ?? {},
  };
}

export interface DaemonSetOptions extends MetaOptions {
  image?: string;
  template?: Partial<PodSpec>;
  spec?: Partial<DaemonSet["spec"]>;
  status?: Partial<DaemonSet["status"]>;
}

export function aDaemonSet(options: DaemonSetOptions = {}): DaemonSet {
  const template = aTemplate(LABELS, options.image);
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { ...meta("daemonset", { name: "demo", ...options }), generation: 1 },
    spec: {
      selector: { matchLabels: { ...LABELS } },
      template: { ...template, spec: { ...template.spec, ...options.template } },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      revisionHistoryLimit: 10,
      ...options.spec,
    },
    status: {
      currentNumberScheduled: 0,
      numberMisscheduled: 0,
      desiredNumberScheduled: 0,
      numberReady: 0,
      ...options.status,
    },
  };
}

export interface JobOptions extends MetaOptions {
  spec?: Partial<JobSpec>;
  template?: Partial<PodSpec>;
  status?: Job["status"];
}

/** One completion, one at a time, never restarted in place. */
export function aJob(options: JobOptions = {}): Job {
  const metadata = { ...meta("job", { name: "demo", ...options }), generation: 1 };
  const { name, uid } = metadata;
  const labels = {
    "job-name": name,
    "batch.kubernetes.io/job-name": name,
    "controller-uid": uid,
    "batch.kubernetes.io/controller-uid": uid,
  };
  const template = aTemplate(labels);
  return {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata,
    spec: {
      completions: 1,
      parallelism: 1,
      backoffLimit: 6,
      completionMode: "NonIndexed",
      suspend: false,
      podReplacementPolicy: "TerminatingOrFailed",
      manualSelector: false,
      selector: { matchLabels: { "batch.kubernetes.io/controller-uid": uid } },
      ...options.spec,
      template: { ...template, spec: { ...template.spec, restartPolicy: "Never", ...options.template } },
    },
    status: options.status ?? {},
  };
}

export interface DisruptionBudgetOptions extends MetaOptions {
  spec?: Partial<PodDisruptionBudget["spec"]>;
  status?: Partial<PodDisruptionBudget["status"]>;
}

/** For the pods of `aPod()`, one of which must stay. */
export function aDisruptionBudget(options: DisruptionBudgetOptions = {}): PodDisruptionBudget {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { ...meta("poddisruptionbudget", { name: "demo", ...options }), generation: 1 },
    spec: options.spec ?? { minAvailable: 1, selector: { matchLabels: { ...LABELS } } },
    status: { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0, ...options.status },
  };
}

function aTemplate(labels: Record<string, string>, image = "demo:1") {
  return { metadata: { labels: { ...labels } }, spec: { containers: [{ name: "main", image }] } };
}

export interface ServiceOptions extends MetaOptions {
  clusterIP?: string;
  selector?: Record<string, string>;
  ports?: NonNullable<NonNullable<Service["spec"]>["ports"]>;
  spec?: Partial<NonNullable<Service["spec"]>>;
}

export function aService(options: ServiceOptions = {}): Service {
  const clusterIP = options.clusterIP ?? "10.43.0.50";
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: meta("service", { name: "demo", ...options }),
    spec: {
      type: "ClusterIP",
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ["IPv4"],
      ipFamilyPolicy: "SingleStack",
      selector: options.selector ?? { ...LABELS },
      ports: options.ports ?? [{ protocol: "TCP", port: 80, targetPort: 80 }],
      sessionAffinity: "None",
      internalTrafficPolicy: "Cluster",
      ...options.spec,
    },
    status: { loadBalancer: {} },
  };
}

export interface NodeOptions extends MetaOptions {
  /** @default true */
  ready?: boolean;
  allocatable?: Record<string, string>;
  taints?: NonNullable<NonNullable<Node["spec"]>["taints"]>;
  unschedulable?: boolean;
  podCIDR?: string;
}

export function aNode(options: NodeOptions = {}): Node {
  const allocatable = options.allocatable ?? { cpu: "2", memory: "4Gi", pods: "110" };
  const metadata = meta("node", { labels: {}, ...options }, false);
  metadata.labels = { "kubernetes.io/hostname": metadata.name, ...metadata.labels };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata,
    spec: {
      ...(options.taints && { taints: options.taints }),
      ...(options.unschedulable && { unschedulable: true }),
      ...(options.podCIDR && { podCIDR: options.podCIDR, podCIDRs: [options.podCIDR] }),
    },
    status: {
      capacity: { ...allocatable },
      allocatable,
      conditions: [{
        type: "Ready",
        status: options.ready === false ? "False" : "True",
        lastHeartbeatTime: CREATED,
        lastTransitionTime: CREATED,
      }],
    },
  };
}

export function aNamespace(options: MetaOptions & { phase?: "Active" | "Terminating" } = {}): Namespace {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: meta("namespace", { labels: {}, ...options }, false),
    spec: { finalizers: ["kubernetes"] },
    status: { phase: options.phase ?? "Active" },
  };
}

export function aConfigMap(options: MetaOptions & { data?: Record<string, string> } = {}): ConfigMap {
  return { apiVersion: "v1", kind: "ConfigMap", metadata: meta("configmap", options), data: options.data ?? {} };
}

export function aSecret(options: MetaOptions & { type?: string; data?: Record<string, string> } = {}): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: meta("secret", options),
    type: options.type ?? "Opaque",
    data: options.data ?? {},
  };
}
