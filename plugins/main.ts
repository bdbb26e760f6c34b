/**
 * The built-in controllers and the scheduler, in a process without permissions that the server starts:
 *
 *     deno run plugins/main.ts [--node-monitor-grace-period SECONDS]
 */
import { parseArgs } from "node:util";
import clusterRoles from "./controllers/cluster_roles/mod.ts";
import cronjob from "./controllers/cronjob/mod.ts";
import daemonset from "./controllers/daemonset/mod.ts";
import deployment from "./controllers/deployment/mod.ts";
import disruption from "./controllers/disruption/mod.ts";
import staleDisruption from "./controllers/disruption/stale.ts";
import endpoints from "./controllers/endpoints/mod.ts";
import endpointslice from "./controllers/endpointslice/mod.ts";
import endpointsliceMirroring from "./controllers/endpointslice_mirroring/mod.ts";
import garbage from "./controllers/garbage/mod.ts";
import job from "./controllers/job/mod.ts";
import jobOrphans from "./controllers/job/orphans.ts";
import nodeLifecycle from "./controllers/node_lifecycle/mod.ts";
import { nodeLimits } from "./controllers/node_lifecycle/limits.ts";
import podGc from "./controllers/pod_gc/mod.ts";
import namespaces from "./controllers/namespace/mod.ts";
import replicaset from "./controllers/replicaset/mod.ts";
import rootCa from "./controllers/root_ca.ts";
import serviceAccounts from "./controllers/service_accounts.ts";
import ttlAfterFinished from "./controllers/ttl_after_finished.ts";
import scheduler from "./scheduler/mod.ts";
import { servePlugins } from "./sdk/mod.ts";

const { values } = parseArgs({ options: { "node-monitor-grace-period": { type: "string" } } });
const graceSeconds = values["node-monitor-grace-period"];

await servePlugins(({ caCertificate }) => [
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
  endpointsliceMirroring,
  namespaces,
  serviceAccounts,
  rootCa(caCertificate),
  clusterRoles,
  nodeLifecycle(nodeLimits(graceSeconds === undefined ? undefined : Number(graceSeconds) * 1000)),
  podGc,
  garbage,
]);
