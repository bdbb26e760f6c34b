/**
 * The object model of the Kubernetes API: what is known of its resources and types, the objects as plain data, their
 * encodings, and the helpers that every part shares. Pure: no I/O, no clock.
 */
export * from "./facts/mod.ts";
export * from "./types/mod.ts";
