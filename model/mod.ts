/**
 * The object model of the Kubernetes API: what is known of its resources and types, the objects as plain data, their
 * encodings, and the helpers that every part shares. Pure: no I/O, no clock.
 */
export * from "./codecs/mod.ts";
export * from "./facts/mod.ts";
export * from "./openapi/mod.ts";
export * from "./types/mod.ts";
export * from "./bytes.ts";
export * from "./json.ts";
export * from "./quantity.ts";
export * from "./int_or_string.ts";
export * from "./ipv4.ts";
export * from "./names.ts";
export * from "./time.ts";
export * from "./meta.ts";
export * from "./pods.ts";
export * from "./selectors/mod.ts";
export * from "./patches/mod.ts";
export * from "./apply/mod.ts";
export * from "./kinds/mod.ts";
