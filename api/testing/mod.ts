/** For tests of what is built on the API: a suite for Store backends, and a whole API server in memory. */
export * from "./store_suite.ts";
export * from "./garbage.ts";
export * from "./refusal.ts";
export * from "./test_api_server.ts";
export * from "./faulty_store.ts";
