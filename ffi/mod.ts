/**
 * Native parts, as services of the protocol inside this process.
 *
 * ```ts
 * await using native = await openNative();
 * const { runtime, version } = await openRuntime(native).version({});
 * ```
 */
export { type Images, openImages } from "./image.ts";
export { nativeFolder } from "./library.ts";
export { type Native, type NativeOptions, openNative } from "./native.ts";
export { type Network, openNetwork } from "./network.ts";
export { openRuntime, type Runtime } from "./runtime.ts";
export { type Engine, type EngineOptions, isFenced, openEngine, type Operation, type Row } from "./store.ts";
