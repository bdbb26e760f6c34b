/** Builders of objects for tests. */
export * from "./builders.ts";
