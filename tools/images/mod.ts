/**
 * The images that the conformance suite uses, made on this machine: no image registry is asked.
 *
 * ```ts
 * await importImages([nodes.machine("n1"), nodes.machine("n2")]);
 * ```
 */
export { importImages, type ImportTarget, mirrorSettings } from "./import.ts";
export { ensureImages } from "./make.ts";
export { serveImages, type ServeOptions } from "./registry.ts";
export { type ImageRow, IMAGES } from "./table.ts";
