/** The node: what a machine does to be one. Started as a process by `main.ts`. */
export { type AgentParts, runAgent } from "./agent.ts";
export { type CleanupParts, removeAll } from "./cleanup.ts";
export { type Paths, pathsOf } from "./paths.ts";
