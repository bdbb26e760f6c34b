/**
 * The object model of the Kubernetes API: what is known of its resources and types, the objects as plain data, their
 * encodings, and the helpers that every part shares. Pure: no I/O, and time only through a clock that is handed in.
 */
export * from "./objects.ts";
export * from "./codecs/mod.ts";
export * from "./facts/mod.ts";
export * from "./openapi/mod.ts";
export * from "./patches/mod.ts";
export * from "./apply/mod.ts";
export * from "./kinds/mod.ts";
