/** For whoever writes a controller: one declaration, one pure planner. */
export { controllerReference } from "./act.ts";
export { type Controller, controller, type ControllerSpec, type Relation, type View } from "./controller.ts";
export { type Daemon, type DaemonContext } from "./daemon.ts";
export { type EventRecorder, eventRecorder } from "./events.ts";
export { SharedInformers } from "./informers.ts";
export { type Action, create, type Plan, type Propagation, REST, update } from "./plan.ts";
export { WorkQueue } from "./queue.ts";
export { type ClusterFacts, READER, servePlugins } from "./process.ts";
export { runController, type RunnerOptions } from "./runner.ts";
