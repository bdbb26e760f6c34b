/** Builders of objects, and a clock, for tests. */
export * from "./builders.ts";
export * from "./fake_clock.ts";
