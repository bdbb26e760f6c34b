/**
 * Native parts, as services of the protocol inside this process.
 *
 * ```ts
 * await using native = await openNative();
 * const runtime = await openRuntime(native, { stateDirectory: "/var/lib/k3ts/node/runtime" });
 * const { containers } = await runtime.listContainers({});
 * ```
 */
export { type Images, openImages } from "./image.ts";
export { nativeFolder } from "./library.ts";
export { type Native, type NativeOptions, openNative } from "./native.ts";
export { type Network, openNetwork } from "./network.ts";
export { openRuntime, type Runtime, type RuntimeOptions, shimProgram } from "./runtime.ts";
export {
  type Engine,
  type EngineName,
  type EngineOptions,
  isFenced,
  isFull,
  openEngine,
  type Operation,
  type Row,
} from "./store.ts";
