/** What the tests of all controllers together have in common. */
import { type Deployment, type Draft, type Namespace, resources } from "@k3ts/model/objects";
import cronjob from "../controllers/cronjob/mod.ts";
import daemonset from "../controllers/daemonset/mod.ts";
import deployment from "../controllers/deployment/mod.ts";
import disruption from "../controllers/disruption/mod.ts";
import staleDisruption from "../controllers/disruption/stale.ts";
import endpoints from "../controllers/endpoints/mod.ts";
import endpointslice from "../controllers/endpointslice/mod.ts";
import garbage from "../controllers/garbage/mod.ts";
import job from "../controllers/job/mod.ts";
import jobOrphans from "../controllers/job/orphans.ts";
import namespaces from "../controllers/namespace/mod.ts";
import replicaset from "../controllers/replicaset/mod.ts";
import rootCa from "../controllers/root_ca.ts";
import serviceAccounts from "../controllers/service_accounts.ts";
import ttlAfterFinished from "../controllers/ttl_after_finished.ts";
import scheduler from "../scheduler/mod.ts";
import type { TestCluster } from "../testing/mod.ts";

export const CERTIFICATE = "-----BEGIN CERTIFICATE-----\n";
export const ALL = [
  scheduler,
  deployment,
  replicaset,
  daemonset,
  job,
  jobOrphans,
  cronjob,
  ttlAfterFinished,
  disruption,
  staleDisruption,
  endpoints,
  endpointslice,
  namespaces,
  serviceAccounts,
  rootCa(CERTIFICATE),
  garbage,
];

export function web(replicas: number, namespace = "default"): Draft<Deployment> {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "main", image: "web:1" }] } },
    },
  };
}

export function createWeb({ clients }: TestCluster, replicas: number, namespace?: string): Promise<Deployment> {
  return clients.of<Deployment>(resources.deployments).create(web(replicas, namespace));
}

export function createNamespace({ clients }: TestCluster, name: string): Promise<Namespace> {
  return clients.of<Namespace>(resources.namespaces).create({
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name },
    spec: {},
  });
}

/** As `kubectl rollout status` decides it. */
export function isRolledOut(deployment: Deployment | undefined): boolean {
  const { spec, status, metadata } = deployment ?? {};
  return status?.observedGeneration === metadata?.generation && status?.updatedReplicas === spec?.replicas &&
    status?.replicas === spec?.replicas && status?.availableReplicas === spec?.replicas;
}

export const untilRolledOut = (cluster: TestCluster) =>
  cluster.until<Deployment>(resources.deployments, { namespace: "default", name: "web" }, isRolledOut);
