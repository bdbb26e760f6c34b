/** For whoever writes a controller: one declaration, one pure planner. */
export { controllerReference } from "./act.ts";
export { type Controller, controller, type ControllerSpec, type Relation, type View } from "./controller.ts";
export { type Daemon, type DaemonContext } from "./daemon.ts";
export { type EventRecord, type EventRecorder, eventRecorder } from "./events.ts";
export { SharedInformers } from "./informers.ts";
export { type Action, create, type Plan, type Propagation, type Refused, REST, update } from "./plan.ts";
export { type Backoff, WorkQueue } from "./queue.ts";
export { backoffAfter, isPassing } from "./failures.ts";
export { type ClusterFacts, READER, servePlugins } from "./process.ts";
export { runController, type RunnerOptions } from "./runner.ts";
export { type RunOptions, startController } from "./start.ts";
