/** The built-in controllers and the scheduler, in a process without permissions that the server starts. */
import clusterRoles from "./controllers/cluster_roles/mod.ts";
import daemonset from "./controllers/daemonset/mod.ts";
import deployment from "./controllers/deployment/mod.ts";
import disruption from "./controllers/disruption/mod.ts";
import staleDisruption from "./controllers/disruption/stale.ts";
import endpoints from "./controllers/endpoints/mod.ts";
import endpointslice from "./controllers/endpointslice/mod.ts";
import garbage from "./controllers/garbage/mod.ts";
import job from "./controllers/job/mod.ts";
import jobOrphans from "./controllers/job/orphans.ts";
import namespaces from "./controllers/namespace/mod.ts";
import replicaset from "./controllers/replicaset/mod.ts";
import rootCa from "./controllers/root_ca.ts";
import serviceAccounts from "./controllers/service_accounts.ts";
import ttlAfterFinished from "./controllers/ttl_after_finished.ts";
import scheduler from "./scheduler/mod.ts";
import { servePlugins } from "./sdk/mod.ts";

await servePlugins(({ caCertificate }) => [
  scheduler,
  deployment,
  replicaset,
  daemonset,
  job,
  jobOrphans,
  ttlAfterFinished,
  disruption,
  staleDisruption,
  endpoints,
  endpointslice,
  namespaces,
  serviceAccounts,
  rootCa(caCertificate),
  clusterRoles,
  garbage,
]);
