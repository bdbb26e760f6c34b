/**
 * The objects of the API as plain data, the names of its resources, and the helpers that every part shares. Without
 * what only those need who serve the API (facts, encodings, patches, rules of kinds), so that a process which works
 * with objects does not pay for it.
 */
export * from "./types/mod.ts";
export * from "./bytes.ts";
export * from "./json.ts";
export * from "./quantity.ts";
export * from "./int_or_string.ts";
export * from "./ipv4.ts";
export * from "./names.ts";
export * from "./time.ts";
export * from "./clock.ts";
export * from "./meta.ts";
export * from "./pods.ts";
export * from "./disruption.ts";
export * from "./cron.ts";
export * from "./selectors/mod.ts";
